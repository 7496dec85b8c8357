"""A drive as its loaders find it, and the scene that it makes: objects chosen, moments split, images read.

Everything is computed in double precision and rounded once, when a `Scene` is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Int16, UInt8
from torch import Tensor

from nsg_cluster.config.driving import DrivingData
from nsg_cluster.data.drives.protocols import split_moments
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.tracks import ObjectTracks, frame_table, no_tracks

__all__ = ["CAMERAS", "Drive", "Observation", "Pictures", "camera_indices", "drive_scene", "tracks_of"]

CAMERAS = ("left", "right")
# So that a drive along one line has a box of some width, and the walls beside a street are in it.
LEAST_HALF_SIDE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One object at one moment."""

    frame: int
    """What the data set calls the moment."""
    track: int
    class_name: str
    size: tuple[float, float, float]
    """Length, height and width."""
    object_to_world: Float[np.ndarray, "3 4"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """Cameras and objects of a drive without its images; all views of one camera come before those of the next."""

    cameras: Cameras
    """In double precision, with frames."""
    camera_ids: Int[Tensor, " images"]
    """Left 0, right 1."""
    frame_numbers: tuple[int, ...]
    tracks: ObjectTracks
    """In double precision."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image: camera and frame."""
        return tuple(
            f"{CAMERAS[camera]}_{self.frame_numbers[frame]:06d}"
            for camera, frame in zip(self.camera_ids.tolist(), self.moments.tolist(), strict=True)
        )

    @property
    def moments(self) -> Int[Tensor, " images"]:
        """Frame of each image, as an index of the frame numbers."""
        assert self.cameras.frames is not None  # loaders of drives always tell them
        return self.cameras.frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What was seen, in the order of the cameras of a drive or of some of them."""

    images: UInt8[Tensor, "images height width channels"]
    depth: Float[Tensor, "images height width"] | None = None
    instances: Int16[Tensor, "images height width"] | None = None
    classes: Int16[Tensor, "images height width"] | None = None
    class_names: tuple[str, ...] = ()


Look = Callable[[Sequence[int]], Pictures]
"""Reads or makes the pictures of some views of a drive, given by their indices."""


def camera_indices(cameras: str) -> tuple[int, ...]:
    """Return the indices of the cameras that ``left``, ``right`` or ``both`` stands for."""
    return (0, 1) if cameras == "both" else (CAMERAS.index(cameras),)


def tracks_of(
    observations: Sequence[Observation], frame_numbers: Sequence[int], config: DrivingData
) -> tuple[ObjectTracks, tuple[str, ...]]:
    """Return the objects that move in the selected frames, and a note on those that were left to the background.

    A track may vanish and come back: it has no box meanwhile. Its size is that of its first observation of all.
    """
    index = {number: position for position, number in enumerate(frame_numbers)}
    first = {seen.track: seen for seen in reversed(observations)}
    placed = [seen for seen in observations if seen.frame in index]
    still = {seen.track for seen in placed} - _moving(placed, config)
    kept = [seen for seen in placed if seen.track not in still]
    if not kept:
        names = sorted({seen.class_name for seen in first.values()})
        return no_tracks(len(frame_numbers), names, dtype=torch.float64), _note(still)
    ids = sorted({seen.track for seen in kept})
    class_names = sorted({first[track].class_name for track in ids})
    none = torch.zeros(0, dtype=torch.long)
    tracks = ObjectTracks(
        ids=tuple(ids),
        class_names=tuple(class_names),
        classes=torch.tensor([class_names.index(first[track].class_name) for track in ids]),
        sizes=torch.tensor([first[track].size for track in ids], dtype=torch.float64),
        margins=torch.tensor([_margins(first[track].class_name, config) for track in ids], dtype=torch.float64),
        owners=none,
        frames=none,
        object_to_world=torch.zeros(0, 3, 4, dtype=torch.float64),
        table=frame_table(none, len(frame_numbers)),
    )
    placed_tracks = tracks.placed(
        torch.tensor([ids.index(seen.track) for seen in kept]),
        torch.tensor([index[seen.frame] for seen in kept]),
        torch.from_numpy(np.stack([seen.object_to_world for seen in kept])),
    )
    return placed_tracks, _note(still)


def _moving(placed: Sequence[Observation], config: DrivingData) -> set[int]:
    """Return the tracks whose first and last place are far enough from each other, and those of chosen classes."""
    ordered = sorted(placed, key=lambda seen: seen.frame)
    first = {seen.track: seen for seen in reversed(ordered)}
    last = {seen.track: seen for seen in ordered}
    moving = set()
    for track, start in first.items():
        way = np.linalg.norm(last[track].object_to_world[:, 3] - start.object_to_world[:, 3])
        if way >= config.min_motion or start.class_name in config.always_objects:
            moving.add(track)
    return moving - set(config.exclude_tracks)


def _note(still: set[int]) -> tuple[str, ...]:
    if not still:
        return ()
    listed = ", ".join(map(str, sorted(still)))
    return (f"tracks that stand still or are excluded, and belong to the background: {listed}",)


def _margins(class_name: str, config: DrivingData) -> tuple[float, float, float]:
    """Return the factors of length, height and width; a shadow lies beside an object, not above it."""
    scale = config.class_box_scale.get(class_name, config.box_scale)
    return (scale, 1.0, scale)


def drive_scene(drive: Drive, config: DrivingData, look: Look) -> Scene:
    """Return the scene of a drive.

    Args:
        drive: Cameras and objects.
        config: Which moments are held out, and where the scene ends.
        look: Reads or makes the pictures.

    Raises:
        DataError: No moment would be held out, or the pictures cannot be had.
    """
    split = split_moments(config, len(drive.frame_numbers))
    train = _views(drive, split.train, look)
    return Scene(
        train=train,
        test=train if split.test == split.train else _views(drive, split.test, look),
        box=_box(drive, config.bound).float(),
        near=config.near,
        far=config.far,
        notes=drive.notes,
        tracks=drive.tracks.to(dtype=torch.float32),
        frame_numbers=drive.frame_numbers,
        camera_names=CAMERAS,
    )


def _views(drive: Drive, moments: Sequence[int], look: Look) -> Views:
    wanted = set(moments)
    chosen = [view for view, moment in enumerate(drive.moments.tolist()) if moment in wanted]
    pictures, names = look(chosen), drive.names
    cameras = drive.cameras[torch.tensor(chosen)]
    height, width = pictures.images.shape[1:3]
    return Views(
        cameras=replace(
            cameras,
            camera_to_world=cameras.camera_to_world.float(),
            focal_px=cameras.focal_px.float(),
            center_px=cameras.center_px.float(),
            width=width,
            height=height,
        ),
        images=pictures.images,
        names=tuple(names[view] for view in chosen),
        depth=pictures.depth,
        instances=pictures.instances,
        classes=pictures.classes,
        class_names=pictures.class_names,
        camera_ids=drive.camera_ids[torch.tensor(chosen)],
    )


def _box(drive: Drive, bound: float | None) -> Float[Tensor, "2 3"]:
    """Return the cube that holds cameras and objects, or one of a given size around the middle of the cameras' way."""
    cameras, objects = drive.cameras.camera_to_world[:, :, 3], drive.tracks.corners(with_margin=True).reshape(-1, 3)
    points = torch.cat([cameras, objects]) if bound is None else cameras
    low, high = points.amin(0), points.amax(0)
    middle = (low + high) / 2
    half = bound if bound is not None else max(LEAST_HALF_SIDE, float((high - low).max()) / 2)
    return torch.stack([middle - half, middle + half])
