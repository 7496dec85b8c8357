"""Neural scene graphs: a background, and objects in boxes that stand somewhere else at each frame.

Ost et al., "Neural Scene Graphs for Dynamic Scenes", https://arxiv.org/abs/2011.10379. The graph is a table: which
object stands where at which frame (`geometry.placements`). An edit changes the table and no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from nsg_cluster.fields.backgrounds import BackgroundField
from nsg_cluster.fields.nodes import NodePoints, NodesField
from nsg_cluster.geometry.boxes import mapped_directions, mapped_points
from nsg_cluster.geometry.placements import Placements
from nsg_cluster.geometry.rays import Histogram, Rays, RaySamples, midpoints
from nsg_cluster.models.base import Model
from nsg_cluster.models.per_image import PerImage
from nsg_cluster.models.per_object import PerObject
from nsg_cluster.models.sky import Sky
from nsg_cluster.ops.merge import merge_by_depth
from nsg_cluster.ops.volume import composite_merged
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.render.spans import inside_spans
from nsg_cluster.sampling.base import Placement, Sampler
from nsg_cluster.sampling.boxes import BoxHits, find_hits, place_in_boxes

__all__ = ["SceneGraph", "Shown"]

_TINY = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of a scene graph is rendered, and where it stands."""

    placements: Placements
    has_background: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Samples of one kind of node with what the node says about them."""

    starts: Float[Tensor, " samples"]
    ends: Float[Tensor, " samples"]
    densities: Float[Tensor, " samples"]
    colors: Float[Tensor, "samples 3"]
    nodes: Int[Tensor, " samples"]
    """0 for the background, and one more than the object's index."""


class SceneGraph(Model):
    """A background node, object nodes, and the table that says where these stand."""

    sampler: Sampler

    def __init__(
        self,
        background: BackgroundField,
        sampler: Sampler,
        objects: NodesField,
        placements: Placements,
        *,
        per_image: PerImage,
        per_object: PerObject,
        classes: tuple[str, ...],
        tracks: tuple[int, ...],
        near: float,
        far: float,
        samples_per_box: int,
        box_samples: Literal["points", "intervals"],
        removes_background: bool,
        nearest_only: bool = False,
        sky: Sky | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            background: Density and color of what does not move.
            sampler: Where to evaluate it.
            objects: Density and color of the objects.
            placements: Which object stands where at each frame.
            per_image: What is learned about each training image.
            per_object: What is learned about where the objects stand.
            classes: Class of each object.
            tracks: What the data set calls each object.
            near: Distance along a ray before which nothing is seen.
            far: Distance along a ray beyond which nothing is seen.
            samples_per_box: Samples on a ray inside each box.
            box_samples: Whether these are points from entry to exit, or intervals that fill the box.
            removes_background: Whether the background is empty inside the boxes.
            nearest_only: Whether of the boxes on a ray only the nearest one counts.
            sky: What is seen where light meets nothing, if that is learned.
        """
        super().__init__()
        self.near, self.far, self.classes, self.tracks = near, far, classes, tracks
        self.samples_per_box, self.box_samples = samples_per_box, box_samples
        self.removes_background, self.nearest_only = removes_background, nearest_only
        self.background, self.sampler, self.sky = background, sampler, sky
        self.objects, self.adopted = objects, nn.ModuleList()
        self.bank_sizes = [len(classes)]
        self.per_image, self.per_object = per_image, per_object
        self.observed = placements
        self.shown = Shown(placements=placements)

    def show(self, shown: Shown) -> None:
        """Render something else than what was observed; `observed` stays as it is."""
        self.shown = shown

    def adopt(self, objects: NodesField, classes: tuple[str, ...]) -> int:
        """Take in the objects of another graph, and return the index of the first of them."""
        first = sum(self.bank_sizes)
        self.adopted.append(objects)
        self.bank_sizes.append(len(classes))
        self.classes = (*self.classes, *classes)
        return first

    def render_rays(
        self,
        rays: Rays,
        *,
        background: Float[Tensor, "rays 3"],
        generator: Generator | None = None,
        transmittance_threshold: float = 0.0,
    ) -> Rendering:
        """Render rays over a background color; each at the frame that it belongs to."""
        del transmittance_threshold
        rays = self.per_image.corrected(rays)
        frames = torch.zeros_like(rays.images) if rays.frames is None else rays.frames
        table = self._table(rays.origins.device)
        hits = find_hits(rays, table, frames, nearest_only=self.nearest_only)
        behind = background if self.sky is None or not self.shown.has_background else self.sky(rays.directions)
        placed = self.sampler.place(rays, near=self.near, far=self.far, generator=generator)
        parts = [self._background(rays, placed, hits, generator)] if self.shown.has_background else []
        parts.append(self._objects(rays, table, hits, generator))
        return self._composed(rays, parts, placed, hits, behind)

    def before_step(self, step: int, generator: Generator) -> None:
        """Let the sampler do what is due before an optimizer step."""
        self.sampler.before_step(step, self.background.density, generator)

    def figures(self) -> dict[str, float]:
        """Return numbers for the events."""
        return self.sampler.figures()

    def regularizers(self) -> dict[str, Float[Tensor, ""]]:
        """Return what may be asked to be small: latent vectors, and how much those of a class differ."""
        latents = self.objects.latents
        if latents is None or len(latents) == 0:
            return {}
        # The slope of a norm is not finite at 0.
        terms = {"latent": latents.square().sum(dim=1).clamp(min=1e-20).sqrt().sum()}
        own = self.classes[: self.bank_sizes[0]]
        classes = [latents[[index for index, name in enumerate(own) if name == kind]] for kind in sorted(set(own))]
        terms["class_prior"] = torch.stack([(some - some.mean(0)).square().sum() for some in classes]).sum()
        return terms

    def _table(self, device: torch.device) -> Placements:
        """Return the rows that are shown, on the rays' device, refined where they are as observed."""
        if self.shown.placements.objects.device != device:
            self.shown = replace(self.shown, placements=self.shown.placements.to(device))
        return self.per_object.refined(self.shown.placements)

    def _background(self, rays: Rays, placed: Placement, hits: BoxHits, generator: Generator | None) -> _Part:
        """Evaluate the background, outside the boxes if it is removed inside."""
        samples = placed.samples
        places = samples.starts if samples.are_points else (samples.starts + samples.ends) / 2
        kept: Tensor | slice = slice(None)
        if self.removes_background and len(hits) > 0:
            spans = (hits.entries[hits.of_rays], hits.exits[hits.of_rays])
            kept = torch.nonzero(~inside_spans(places, samples.rays, spans, hits.offsets))[:, 0]
        densities, colors = self.background(
            midpoints(rays, samples, kept), samples.rays[kept], rays.directions, generator if self.training else None
        )
        if not isinstance(kept, slice):
            densities = torch.zeros_like(samples.starts).index_copy(0, kept, densities)
            colors = colors.new_zeros(len(samples), 3).index_copy(0, kept, colors)
        return _Part(
            starts=samples.starts,
            ends=samples.ends,
            densities=densities,
            colors=colors,
            nodes=torch.zeros_like(samples.rays),
        )

    def _objects(self, rays: Rays, table: Placements, hits: BoxHits, generator: Generator | None) -> _Part:
        """Evaluate the objects inside their boxes."""
        count = self.samples_per_box
        starts, ends = place_in_boxes(hits, count, kind=self.box_samples, generator=generator)
        places = starts if self.box_samples == "points" else (starts + ends) / 2
        points = _in_object_frames(rays, table, hits, places)
        said = [
            bank(part, generator if self.training else None)
            for bank, part in zip([self.objects, *self.adopted], _by_bank(points, self.bank_sizes), strict=True)
            if len(part.objects) > 0
        ]
        return _Part(
            starts=starts.flatten(),
            ends=ends.flatten(),
            densities=torch.cat([densities for densities, _ in said]) if said else starts.flatten(),
            colors=torch.cat([colors for _, colors in said]) if said else starts.new_zeros(0, 3),
            nodes=(hits.objects + 1).repeat_interleave(count),
        )

    def _composed(
        self, rays: Rays, parts: list[_Part], placed: Placement, hits: BoxHits, behind: Float[Tensor, "rays 3"]
    ) -> Rendering:
        """Merge the samples of all parts and composite them."""
        starts, ends, places, order, owners, offsets = merge_by_depth(
            torch.cat([part.starts for part in parts]),
            torch.cat([part.ends for part in parts]),
            placed.samples.offsets if self.shown.has_background else torch.zeros_like(hits.offsets),
            hits.of_rays,
            hits.offsets,
            per_hit=self.samples_per_box,
            background_is_points=placed.samples.are_points,
            hits_are_points=self.box_samples == "points",
        )
        densities, colors = (torch.cat([getattr(part, name) for part in parts]) for name in ("densities", "colors"))
        weights, color, opacity, depth_sum = composite_merged(
            densities, colors, starts, ends, offsets, order=order, places=places
        )
        merged = RaySamples(starts=starts, ends=ends, rays=owners, offsets=offsets)
        nodes = torch.cat([part.nodes for part in parts])
        return Rendering(
            color=color + (1 - opacity)[:, None] * behind,
            opacity=opacity,
            depth=depth_sum / opacity.clamp(min=_TINY),
            samples=merged,
            weights=weights,
            histograms=self._histograms(placed, weights, order, len(rays)),
            node_opacity=None
            if self.training
            else _node_opacity(merged, weights, nodes[order], 1 + sum(self.bank_sizes)),
        )

    def _histograms(
        self, placed: Placement, weights: Float[Tensor, " samples"], order: Int[Tensor, " samples"], num_rays: int
    ) -> tuple[Histogram, ...]:
        """Return the proposals and what was found of the background, where samples come from proposals."""
        if placed.edges is None or not self.shown.has_background:
            return ()
        unmerged = torch.empty_like(weights).index_copy(0, order, weights)[: len(placed.samples)]
        return (*placed.proposals, Histogram(edges=placed.edges, weights=unmerged.view(num_rays, -1)))


def _in_object_frames(
    rays: Rays, table: Placements, hits: BoxHits, places: Float[Tensor, "hits samples"]
) -> NodePoints:
    """Return points on rays in the frames of the objects; differentiable in the table."""
    maps = table.world_to_box
    origin = mapped_points(maps, rays.origins[hits.rays], hits.rows)
    along = mapped_directions(maps, rays.directions[hits.rays], hits.rows)
    count = places.shape[1]
    return NodePoints(
        positions=(origin[:, None] + places[:, :, None] * along[:, None]).flatten(0, 1),
        hits=torch.arange(len(hits), device=places.device).repeat_interleave(count),
        directions=along / along.norm(dim=-1, keepdim=True),
        objects=hits.objects,
        places=table.anchors[hits.rows],
        per_hit=count,
    )


def _by_bank(points: NodePoints, sizes: list[int]) -> list[NodePoints]:
    """Cut points, which are sorted by object, where one bank of objects ends and the next begins."""
    if len(sizes) == 1:
        return [points]
    parts, first, count = [], 0, points.per_hit
    for size in sizes:
        inside = torch.nonzero((points.objects >= first) & (points.objects < first + size))[:, 0]
        low = int(inside[0]) if len(inside) else 0
        hits, those = slice(low, low + len(inside)), slice(low * count, (low + len(inside)) * count)
        parts.append(
            NodePoints(
                positions=points.positions[those],
                hits=points.hits[those] - low,
                directions=points.directions[hits],
                objects=points.objects[hits] - first,
                places=points.places[hits],
                per_hit=count,
            )
        )
        first += size
    return parts


def _node_opacity(
    samples: RaySamples, weights: Float[Tensor, " samples"], nodes: Int[Tensor, " samples"], num_nodes: int
) -> Float[Tensor, "rays nodes"]:
    """Return the share of each node in each ray."""
    num_rays = len(samples.offsets) - 1
    flat = torch.zeros(num_rays * num_nodes, dtype=weights.dtype, device=weights.device)
    return flat.index_add(0, samples.rays * num_nodes + nodes, weights).view(num_rays, num_nodes)
