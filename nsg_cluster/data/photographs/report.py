"""What a scene of photographs has: splits, cameras, and how much of what they see lies where a model looks.

*Inside* is what a model holds best: the scene box, enlarged by ``model.bound``, or the ball or cube around which space
is contracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from nsg_cluster.config.schema import MipNerf360Config, ModelConfig
from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.rays import Rays
from nsg_cluster.geometry.warps import Contraction, Spacing, from_spacing

__all__ = ["Inside", "Sight", "SplitReport", "StillReport", "inside_of", "report_on_still"]

RAYS = 20_000
PLACES = 64
FAR_OUT = 10.0
"""Times the usual distance from the middle of the cameras at which a camera is worth a remark."""
FEW, SOME, MUCH = 0.02, 0.1, 0.25
"""Shares that are worth a remark: of what certainly matters, of what may, of what often is as it should be."""
Beyond = Literal["lost", "contracted", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The box that a model holds best, and what becomes of what is beyond it."""

    low: Float[Tensor, " 3"]
    high: Float[Tensor, " 3"]
    beyond: Beyond
    """``lost``: rays end there; ``contracted``: it is held more coarsely; ``kept``: it is held like what is inside."""
    contraction: Contraction
    """Norm by which space is contracted."""
    spacing: Spacing
    """How the model's first samples are spread between near and far."""

    def contains(self, x: Float[Tensor, "*places 3"]) -> Bool[Tensor, "*places"]:
        """Return whether places are inside."""
        scaled = (x - (self.low + self.high) / 2) / ((self.high - self.low) / 2)
        size = scaled.norm(dim=-1) if self.contraction == "l2" else scaled.abs().amax(-1)
        return size <= 1

    def span(self, rays: Rays) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
        """Return where rays enter and leave the box; they leave before they enter where they miss it."""
        first, second = ((corner - rays.origins) / rays.directions for corner in (self.low, self.high))
        enter, leave = torch.minimum(first, second).amax(-1), torch.maximum(first, second).amin(-1)
        return enter.clamp(min=0.0), leave


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """The images of one split."""

    images: int
    size: tuple[int, int]
    """Width and height in pixels, averaged down as the experiment says."""
    channels: str
    lens: str
    focal_px: tuple[float, float]
    """The shortest and the longest focal length."""
    stops: tuple[float, float] | None
    """The shortest and the longest exposure, in doublings over the usual one; None where none is told."""
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the training cameras see of what is inside, of rays and places drawn at random."""

    rays_that_miss: float
    """Share of rays that miss the box (where space is contracted around it, these see what is outside alone)."""
    covered_rays_that_miss: float | None
    """The same of pixels that show something; None for images without transparency."""
    samples_outside: float | None
    """Share of places between near and far, spread as the model's first samples, that are outside; None where rays end
    there."""
    in_range: float
    """Share of the way of rays through the box that lies between near and far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillReport:
    """What a scene that does not move has, and what is odd about it."""

    train: SplitReport
    test: SplitReport
    box: tuple[tuple[float, ...], tuple[float, ...]]
    near: float
    far: float
    beyond: Beyond
    contraction: Contraction
    bound: float
    """Side of what is modeled, in sides of the box; 1 where space is contracted."""
    camera_distance: tuple[float, float, float]
    """Least, median and greatest distance of the training cameras from the middle of the box."""
    cameras_inside: int
    """Training cameras within the box."""
    sight: Sight
    points: int
    """Points of the scene that the data set knows."""
    points_inside: float | None
    notes: tuple[str, ...]
    """What the loader has left out, and why."""
    remarks: tuple[str, ...]
    """What a user may not expect; all of it can be trained on."""

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def inside_of(model: ModelConfig, scene: Scene) -> Inside:
    """Return the box of a scene that a model holds best."""
    parts: Any = getattr(model, "background", None)
    field, sampler = (parts.field, parts.sampler) if parts else (model, getattr(model, "sampler", None) or model)
    middle, half = scene.box.mean(0), (scene.box[1] - scene.box[0]) / 2
    contraction: Contraction = getattr(field, "contraction", "none")
    grown = half * (getattr(model, "bound", 1.0) if contraction == "none" else 1.0)
    spacing: Spacing = getattr(sampler, "spacing", "linear")
    clips = getattr(sampler, "kind", "") in {"occupancy", "proposal"} or isinstance(model, MipNerf360Config)
    beyond: Beyond = "contracted" if contraction != "none" else "lost" if clips else "kept"
    return Inside(low=middle - grown, high=middle + grown, beyond=beyond, contraction=contraction, spacing=spacing)


def report_on_still(model: ModelConfig, scene: Scene) -> StillReport:
    """Return what a scene has, and what of it a model sees."""
    inside = inside_of(model, scene)
    places = scene.train.cameras.camera_to_world[:, :, 3]
    distance = (places - scene.box.mean(0)).norm(dim=1)
    sight = _sight(scene, inside)
    points = scene.points
    return StillReport(
        train=_split(scene.train),
        test=_split(scene.test),
        box=(tuple(scene.box[0].tolist()), tuple(scene.box[1].tolist())),
        near=scene.near,
        far=scene.far,
        beyond=inside.beyond,
        contraction=inside.contraction,
        bound=float(((inside.high - inside.low) / (scene.box[1] - scene.box[0])).amax()),
        camera_distance=(float(distance.min()), float(distance.median()), float(distance.max())),
        cameras_inside=int(((places >= scene.box[0]) & (places <= scene.box[1])).all(1).sum()),
        sight=sight,
        points=0 if points is None else len(points),
        points_inside=None if points is None or not len(points) else float(inside.contains(points).float().mean()),
        notes=scene.notes,
        remarks=tuple(_odd(scene, sight, inside)),
    )


def _split(views: Views) -> SplitReport:
    cameras = views.cameras
    return SplitReport(
        images=len(views),
        size=(cameras.width, cameras.height),
        channels={3: "RGB", 4: "RGBA"}[views.images.shape[3]],
        lens=cameras.lens,
        focal_px=(float(cameras.focal_px.min()), float(cameras.focal_px.max())),
        stops=None if cameras.stops is None else (float(cameras.stops.min()), float(cameras.stops.max())),
        first=views.names[0],
        last=views.names[-1],
    )


def _sight(scene: Scene, inside: Inside) -> Sight:
    batches, generator = RayBatches(scene.train, "cpu"), Generator().manual_seed(0)
    batch = batches.draw(RAYS, generator)
    enter, leave = inside.span(batch.rays)
    misses = leave <= enter
    near, far = torch.full_like(enter, scene.near), torch.full_like(enter, scene.far)
    whole = (leave - enter).clamp(min=0.0)
    ranged = (torch.minimum(leave, far) - torch.maximum(enter, near)).clamp(min=0.0)
    return Sight(
        rays_that_miss=float(misses.float().mean()),
        covered_rays_that_miss=_share_of_covered(batch, misses) if scene.train.images.shape[3] == 4 else None,
        samples_outside=None if inside.beyond == "lost" else _samples_outside(batch.rays, inside, near, far),
        in_range=float(ranged.sum() / whole.sum()) if float(whole.sum()) > 0 else 0.0,
    )


def _share_of_covered(batch: RayBatch, misses: Bool[Tensor, " rays"]) -> float | None:
    covered = batch.alpha > 0.5
    return float(misses[covered].float().mean()) if bool(covered.any()) else None


def _samples_outside(rays: Rays, inside: Inside, near: Float[Tensor, " rays"], far: Float[Tensor, " rays"]) -> float:
    # Disparity has no zero: what is nearer than a thousandth of the far end is not worth a sample.
    begin = near.clamp(min=1e-3 * float(far.max())) if inside.spacing == "disparity" else near
    unit = float(((inside.high - inside.low) / 2).amax())
    shares = ((torch.arange(PLACES) + 0.5) / PLACES).expand(len(rays), PLACES)
    t = from_spacing(shares, begin, far, inside.spacing, unit=unit)
    places = rays.origins[:, None] + t[:, :, None] * rays.directions[:, None]
    return 1.0 - float(inside.contains(places).float().mean())


def _odd(scene: Scene, sight: Sight, inside: Inside) -> Iterator[str]:
    yield from _far_out(scene)
    covered = sight.covered_rays_that_miss
    if inside.beyond == "lost" and covered is not None and covered > FEW:
        yield f"{covered:.0%} of the pixels that show something look past the box: make data.bound larger"
    elif inside.beyond == "lost" and sight.rays_that_miss > MUCH and covered is None:
        yield (
            f"{sight.rays_that_miss:.0%} of all pixels look past the box, and what they show is lost: make data.bound "
            "or model.bound larger, or take model.contraction"
        )
    if sight.in_range < 1 - SOME:
        yield (
            f"{1 - sight.in_range:.0%} of the way through the box is not between data.near {scene.near:g} and data.far "
            f"{scene.far:g}: what stands there is not seen"
        )
    if scene.points is not None and len(scene.points) and inside.beyond == "lost":
        share = float(inside.contains(scene.points).float().mean())
        if share < 1 - MUCH:
            yield f"{1 - share:.0%} of the known points are outside: the box is too small, or in the wrong place"


def _far_out(scene: Scene) -> Iterator[str]:
    """Yield which cameras stand apart from all others: most often their poses are wrong."""
    places = scene.train.cameras.camera_to_world[:, :, 3]
    away = (places - places.median(dim=0).values).norm(dim=1)
    usual = float(away.median())
    names = [scene.train.names[index] for index in (away > FAR_OUT * usual).nonzero()[:, 0].tolist()] if usual else []
    if names:
        which = f"camera {names[0]} is" if len(names) == 1 else f"{len(names)} cameras, the first {names[0]}, are"
        yield f"{which} more than {FAR_OUT:g} times as far out as most: look at their poses"
