"""What is rendered where at each frame: rows of a table that edits change and networks do not.

A *row* is one node at one frame; frames of objects are as in `geometry.boxes`. The rows of a scene are those of its
tracks; an edited table has others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.geometry.tracks import ObjectTracks, frame_table

__all__ = ["Placements", "placements_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """Rows of nodes, in order of frames."""

    objects: Int[Tensor, " rows"]
    """Index of the object whose node is rendered."""
    frames: Int[Tensor, " rows"]
    """Frame of each row; never decreases."""
    object_to_world: Float[Tensor, "rows 3 4"]
    """Rigid map of each row."""
    sizes: Float[Tensor, "rows 3"]
    """Length, height and width of the box."""
    anchors: Float[Tensor, "rows 3"]
    """Where the object was observed to stand on the ground: what colors that depend on its place are told, so that an
    edit that moves it changes none."""
    sources: Int[Tensor, " rows"]
    """Row of the observed table that this one comes from; -1 for none."""
    table: Int[Tensor, "frames slots"]
    """Rows of each frame, filled up with -1."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.objects)

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.table)

    def to(self, device: torch.device | str) -> Placements:
        """Return the same rows on a device."""
        return Placements(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})

    @property
    def world_to_box(self) -> Float[Tensor, "rows 3 4"]:
        """Maps under which each box becomes the cube from -1 to 1; differentiable."""
        return world_to_box(self.object_to_world, self.sizes)

    def chosen(self, rows: Tensor) -> Placements:
        """Return some of the rows: a mask or indices in any order."""
        return self._sorted(**{name: column[rows] for name, column in self._columns().items()})

    def joined(self, other: Placements) -> Placements:
        """Return the rows of both, which have the same frames."""
        others = other._columns()
        return self._sorted(**{name: torch.cat([column, others[name]]) for name, column in self._columns().items()})

    def _columns(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "table"}

    def _sorted(self, **columns: Tensor) -> Placements:
        order = torch.argsort(columns["frames"], stable=True)
        ordered = {name: column[order] for name, column in columns.items()}
        return Placements(**ordered, table=frame_table(ordered["frames"], self.num_frames))


def placements_of(tracks: ObjectTracks, *, dtype: torch.dtype = torch.float32) -> Placements:
    """Return the rows of tracks: every object where it was observed, its node that of its track."""
    anchors = tracks.object_to_world[:, :, 3].clone()
    # The labels of data sets give the middle of the bottom; y is down in the frame of the object.
    anchors += tracks.object_to_world[:, :, 1] * tracks.sizes[tracks.owners, 1:2] / 2
    return Placements(
        objects=tracks.owners,
        frames=tracks.frames,
        object_to_world=tracks.object_to_world.to(dtype),
        sizes=tracks.placed_sizes.to(dtype),
        anchors=anchors.to(dtype),
        sources=torch.arange(len(tracks.owners)),
        table=tracks.table,
    )
