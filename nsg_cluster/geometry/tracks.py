"""Objects that move: which of them is where at which moment.

A *track* is one object through time; a *placement* is that object at one frame. Both are tables of their own, and
`ObjectTracks.table` says which placements a frame has. A ray knows the index of its frame and nothing of the objects:
what it may meet is gathered from the table, so that memory grows with placements and never with rays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.geometry.boxes import box_corners, world_to_box

__all__ = ["ObjectTracks", "frame_table", "no_tracks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTracks:
    """Tables of tracks and of their placements. Lengths in scene units; frames of objects as in `geometry.boxes`."""

    ids: tuple[int, ...]
    """What the data set calls each track."""
    class_names: tuple[str, ...]
    """Names of the classes that occur."""
    classes: Int[Tensor, " tracks"]
    """Class of each track, as an index of the names."""
    sizes: Float[Tensor, "tracks 3"]
    """Length, height and width of each object as it is labeled."""
    margins: Float[Tensor, "tracks 3"]
    """Factors by which a box is larger than the object, to hold its shadow as well."""
    owners: Int[Tensor, " placements"]
    """Track of each placement, as an index of the tracks."""
    frames: Int[Tensor, " placements"]
    """Frame of each placement, as an index of the scene's frames; never decreases."""
    object_to_world: Float[Tensor, "placements 3 4"]
    """Rigid map of each placement."""
    table: Int[Tensor, "frames slots"]
    """Placements of each frame, filled up with -1."""

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.ids)

    def at(self, frames: Int[Tensor, " rays"]) -> Int[Tensor, "rays slots"]:
        """Return the placements at the frame of each ray, -1 for an empty slot."""
        return self.table[frames]

    @property
    def placed_sizes(self) -> Float[Tensor, "placements 3"]:
        """Sizes of the box of each placement, margin included."""
        return (self.sizes * self.margins)[self.owners]

    @property
    def world_to_box(self) -> Float[Tensor, "placements 3 4"]:
        """Maps under which the box of each placement, margin included, becomes the cube from -1 to 1."""
        return world_to_box(self.object_to_world, self.placed_sizes)

    @property
    def yaws(self) -> Float[Tensor, " placements"]:
        """Turn of each placement about y, in radians.

        With its cosine c and sine s, what lies at (x, z) from the middle of the box has (c x - s z, s x + c z) in the
        object's frame (Neural Scene Graphs, eq. 3).
        """
        return torch.atan2(self.object_to_world[:, 0, 2], self.object_to_world[:, 0, 0])

    def corners(self, *, with_margin: bool = False) -> Float[Tensor, "placements 8 3"]:
        """Return the corners of the box of each placement in the world."""
        sizes = self.placed_sizes if with_margin else self.sizes[self.owners]
        return box_corners(self.object_to_world, sizes)

    def index_of(self, track_id: int) -> int:
        """Return the index of the track that the data set calls so.

        Raises:
            ValueError: There is none.
        """
        return self.ids.index(track_id)

    def placed(
        self,
        owners: Int[Tensor, " placed"],
        frames: Int[Tensor, " placed"],
        object_to_world: Float[Tensor, "placed 3 4"],
    ) -> ObjectTracks:
        """Return the same tracks in other places, given in any order; a track may be in a frame more than once."""
        order = torch.argsort(frames, stable=True)
        return replace(
            self,
            owners=owners[order],
            frames=frames[order],
            object_to_world=object_to_world[order],
            table=frame_table(frames[order], self.table.shape[0]),
        )

    def kept(self, placements: Tensor) -> ObjectTracks:
        """Return the same tracks with some of their placements: a mask or indices."""
        return self.placed(self.owners[placements], self.frames[placements], self.object_to_world[placements])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> ObjectTracks:
        """Return the same tracks on a device, or with lengths and poses of another precision."""
        return replace(
            self,
            classes=self.classes.to(device),
            sizes=self.sizes.to(device, dtype),
            margins=self.margins.to(device, dtype),
            owners=self.owners.to(device),
            frames=self.frames.to(device),
            object_to_world=self.object_to_world.to(device, dtype),
            table=self.table.to(device),
        )


def frame_table(frames: Int[Tensor, " placements"], num_frames: int) -> Int[Tensor, "frames slots"]:
    """Return the placements of each frame, filled up with -1, from the frame of each placement, which never decreases.

    Raises:
        ValueError: Frames decrease or are out of range.
    """
    if frames.numel() and (bool((frames.diff() < 0).any()) or not 0 <= int(frames[0]) <= int(frames[-1]) < num_frames):
        raise ValueError(f"frames of placements must be in order and from 0 to {num_frames - 1}")
    counts = torch.bincount(frames, minlength=num_frames)
    table = frames.new_full((num_frames, max(1, int(counts.max()) if num_frames else 0)), -1)
    first = counts.cumsum(0) - counts
    index = torch.arange(len(frames), device=frames.device)
    table[frames, index - first[frames]] = index
    return table


def no_tracks(num_frames: int, class_names: Sequence[str] = (), *, dtype: torch.dtype = torch.float32) -> ObjectTracks:
    """Return the tables of a scene in which no object is tracked."""
    none = torch.zeros(0, dtype=torch.long)
    return ObjectTracks(
        ids=(),
        class_names=tuple(class_names),
        classes=none,
        sizes=torch.zeros(0, 3, dtype=dtype),
        margins=torch.zeros(0, 3, dtype=dtype),
        owners=none,
        frames=none,
        object_to_world=torch.zeros(0, 3, 4, dtype=dtype),
        table=frame_table(none, num_frames),
    )
