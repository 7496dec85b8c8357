"""Photographs that a data set lists, before they are read: where they lie, and the cameras that took them.

Every loader of photographs fills a `Shots`; what follows is the same for all of them: leave out what is missing, check
the cameras, hold some views out, read the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nsg_cluster.core.errors import DataError
from nsg_cluster.core.files import absolute_path
from nsg_cluster.data.image_cache import cached_images
from nsg_cluster.data.images import read_images, read_mask
from nsg_cluster.data.scene import Views
from nsg_cluster.geometry.cameras import Cameras, Lens

__all__ = ["Shots", "check_cameras", "check_places", "existing", "hold_out", "read_views", "scene_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Photographs and their cameras, in float64."""

    file: Path
    """What lists them; for messages."""
    images: tuple[Path, ...]
    camera_to_world: Float[Tensor, "images 3 4"]
    """OpenGL axes."""
    size_px: Float[Tensor, "images 2"]
    """Width and height at which the two below hold; an image may have been scaled since."""
    focal_px: Float[Tensor, "images 2"]
    center_px: Float[Tensor, "images 2"]
    distortion: Float[Tensor, "images 6"] | None = None
    lens: Lens = "pinhole"
    masks: tuple[Path, ...] | None = None
    """Images that are black where there is nothing to be learned; None where all is to be learned."""
    stops: Float[Tensor, " images"] | None = None
    """Doublings of the exposure over the usual one; None where exposures are not known."""

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.images)

    def chosen(self, indices: Sequence[int]) -> Shots:
        """Return the photographs with these indices."""
        kept = torch.tensor(list(indices), dtype=torch.int64)
        return replace(
            self,
            images=tuple(self.images[index] for index in indices),
            camera_to_world=self.camera_to_world[kept],
            size_px=self.size_px[kept],
            focal_px=self.focal_px[kept],
            center_px=self.center_px[kept],
            distortion=None if self.distortion is None else self.distortion[kept],
            masks=None if self.masks is None else tuple(self.masks[index] for index in indices),
            stops=None if self.stops is None else self.stops[kept],
        )

    def at(self, camera_to_world: Float[Tensor, "images 3 4"]) -> Shots:
        """Return the same photographs, taken from other poses."""
        return replace(self, camera_to_world=camera_to_world)


def scene_folder(root: str, holds: str) -> Path:
    """Return the folder of a scene.

    Args:
        root: What ``data.root`` says.
        holds: What the folder is known by; for the message.

    Raises:
        DataError: There is none.
    """
    folder = absolute_path(root)
    if not folder.is_dir():
        raise DataError(f"data.root: there is no folder '{folder}': set it to the folder that holds {holds}")
    return folder


def existing(shots: Shots) -> tuple[Shots, tuple[str, ...]]:
    """Return the photographs that are there, and a note where that is not all of them.

    Raises:
        DataError: None is there.
    """
    present = [index for index, path in enumerate(shots.images) if path.is_file()]
    if len(present) == len(shots):
        return shots, ()
    first = next(path for path in shots.images if not path.is_file())
    if not present:
        raise DataError(f"{shots.file}: none of its {len(shots)} images exists, the first is {first}: copy them there")
    note = f"{len(shots) - len(present)} of {len(shots)} listed images are missing, the first is {first.name}"
    return shots.chosen(present), (f"{note}; using {len(present)}",)


def check_cameras(shots: Shots) -> None:
    """Check that a scene can be seen from these cameras.

    Raises:
        DataError: There are fewer than two, one has a pose, size or focal length that means nothing, or all stand in
            one place.
    """
    for what in ("camera_to_world", "size_px", "focal_px", "center_px"):
        wrong = ~getattr(shots, what).flatten(1).isfinite().all(1)
        if bool(wrong.any()):
            name = shots.images[int(wrong.nonzero()[0])].name
            raise DataError(f"{shots.file}: {what} of {name} has a value that is not finite: remove that image")
    wrong = (shots.focal_px <= 0).any(1) | (shots.size_px <= 0).any(1)
    if bool(wrong.any()):
        name = shots.images[int(wrong.nonzero()[0])].name
        raise DataError(f"{shots.file}: the focal length and the size of {name} must be more than 0")
    check_places(shots.file, shots.camera_to_world[:, :, 3])


def check_places(file: Path, positions: Float[Tensor, "images 3"]) -> None:
    """Check that cameras see depth from where they stand.

    Raises:
        DataError: There are fewer than two, or all stand in one place.
    """
    if len(positions) < 2:
        raise DataError(
            f"{file}: {len(positions)} image is too few: depth shows only where two views differ; add images"
        )
    spread = float((positions - positions.median(dim=0).values).norm(dim=1).max())
    if spread <= 1e-9 * max(1.0, float(positions.abs().max())):
        raise DataError(
            f"{file}: all {len(positions)} cameras stand in one place, so nothing has a depth: compute the poses again"
        )


def hold_out(shots: Shots, every: int) -> tuple[Shots, Shots]:
    """Return the photographs to train on and those held out: the first and every so many after it, by name's order."""
    order = sorted(range(len(shots)), key=lambda index: shots.images[index])
    held_out = order[::every]
    kept = [index for place, index in enumerate(order) if place % every]
    return shots.chosen(kept), shots.chosen(held_out)


def read_views(shots: Shots, *, downsample: float, max_views: int | None = None, cache: Path | None = None) -> Views:
    """Read the photographs, averaged down, and fit their cameras to the size that they have then.

    Args:
        shots: The photographs.
        downsample: Factor by which they are averaged down.
        max_views: Read only the first so many.
        cache: Folder in which images that were averaged down are kept.

    Raises:
        DataError: An image cannot be read, or images differ in size.
    """
    used = shots.chosen(range(len(shots))[:max_views])
    if cache is None or downsample == 1:
        images = torch.from_numpy(read_images(used.images, downsample_factor=downsample))
    else:
        images = torch.from_numpy(cached_images(used.images, downsample_factor=downsample, folder=cache))
    _, height, width, _ = images.shape
    scale = torch.tensor([[width, height]]) / used.size_px
    return Views(
        cameras=Cameras(
            camera_to_world=used.camera_to_world.float(),
            focal_px=(used.focal_px * scale).float(),
            center_px=(used.center_px * scale).float(),
            width=width,
            height=height,
            distortion=None if used.distortion is None else used.distortion.float(),
            lens=used.lens,
            stops=None if used.stops is None else used.stops.float(),
        ),
        images=images,
        names=_names(used.images),
        seen=None if used.masks is None else _seen(used.masks, width, height),
    )


def _seen(masks: Sequence[Path], width: int, height: int) -> Bool[Tensor, "images height width"]:
    """Return where masks, brought to the size of the images, are more white than black."""
    return torch.stack([torch.from_numpy(read_mask(mask, width, height)) for mask in masks])


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the stems, with as many folders in front as it takes to tell them apart."""
    for depth in range(1, 8):
        names = tuple("_".join([*path.parts[-depth:-1], path.stem]) for path in paths)
        if len(set(names)) == len(names):
            return names
    return tuple(f"{index:05d}_{path.stem}" for index, path in enumerate(paths))
