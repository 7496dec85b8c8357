"""Edits of a scene graph: a table of rows goes in, another comes out; networks are never touched.

The table has a row group for each *picture* that is rendered, so that every picture has objects of its own. Rows keep
their anchors, from which colors are computed that depend on the place: an edit changes no color. Source of the named
manipulations: the program of Ost et al., https://arxiv.org/abs/2011.10379.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nsg_cluster.config.edits import (
    EditConfig,
    FreezeConfig,
    InsertConfig,
    ManipulateConfig,
    MoveConfig,
    RotateConfig,
)
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.geometry.placements import Placements
from nsg_cluster.models.manipulations import manipulated, placed_in, shifted, turned
from nsg_cluster.models.tables_by_hand import placed_by_hand
from nsg_cluster.models.ways import upright, way_beside, way_through

__all__ = ["Edited", "Newcomer", "apply_edits", "rows_of_pictures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An object of a graph that an edit puts in."""

    object: int
    """Index of its node."""
    row: Placements
    """One row of its own graph: its size, and the place that its colors are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A table under edits, and what edits need to know."""

    rows: Placements
    """A row group for each picture."""
    observed: Placements
    """A row group for each frame of the data set."""
    tracks: tuple[int, ...]
    """What the data set calls each object."""
    frame_numbers: tuple[int, ...]
    """What the data set calls each frame."""
    has_background: bool = True

    @property
    def progress(self) -> Float[Tensor, " rows"]:
        """How far along the path the picture of each row is, from 0 to 1."""
        return self.rows.frames.to(torch.float32) / max(self.rows.num_frames - 1, 1)

    def of_track(self, track: int | None, where: str) -> Bool[Tensor, " rows"]:
        """Return which rows are of a track, or all of them.

        Raises:
            ConfigError: There is no such track.
        """
        if track is None:
            return torch.ones(len(self.rows), dtype=torch.bool)
        return self.rows.objects == self.index(track, where)

    def index(self, track: int, where: str) -> int:
        """Return the node of a track.

        Raises:
            ConfigError: There is none.
        """
        if track not in self.tracks:
            have = ", ".join(map(str, sorted(self.tracks))) or "none"
            raise ConfigError(f"{where}: there is no track {track} in this run; its tracks are: {have}")
        return self.tracks.index(track)


def rows_of_pictures(observed: Placements, frames: Int[Tensor, " pictures"]) -> Placements:
    """Return the table that has for each picture the rows of its frame."""
    slots = observed.table[frames]
    picture, slot = torch.nonzero(slots >= 0, as_tuple=True)
    rows = slots[picture, slot]
    some = observed.chosen(torch.zeros(0, dtype=torch.long))
    spread = replace(some, table=some.table.new_full((len(frames), 1), -1))
    return spread.joined(placed_in(observed, rows, picture))


def apply_edits(edits: Sequence[EditConfig], edited: Edited, newcomers: Callable[[InsertConfig], Newcomer]) -> Edited:
    """Apply edits in order.

    Args:
        edits: What to change.
        edited: The table before them.
        newcomers: Brings an object that an edit puts in.

    Raises:
        ConfigError: An edit names a track or a frame that is not there.
    """
    for place, edit in enumerate(edits):
        edited = _applied(edit, edited, f"render.edits.{place}", newcomers)
    return edited


def _applied(edit: EditConfig, edited: Edited, where: str, newcomers: Callable[[InsertConfig], Newcomer]) -> Edited:
    rows = edited.rows
    if edit.only == "objects":
        return replace(edited, has_background=False)
    if edit.only == "background":
        rows = rows.chosen(torch.zeros(0, dtype=torch.long))
    elif edit.manipulate is not None:
        rows = _manipulated(edit.manipulate, edited, where)
    elif edit.insert is not None:
        rows = _inserted(edit.insert, edited, newcomers(edit.insert), where)
    elif edit.move is not None:
        rows = _moved(edit.move, edited, where)
    elif edit.rotate is not None:
        rows = _rotated(edit.rotate, edited, where)
    elif edit.swap is not None:
        rows = _swapped(edit.swap, edited, where)
    elif edit.freeze is not None:
        rows = _frozen(edit.freeze, edited, where)
    elif edit.remove is not None:
        rows = _removed(edit.remove, edited, where)
    return replace(edited, rows=rows)


def _removed(which: int | tuple[int, ...], edited: Edited, where: str) -> Placements:
    tracks = (which,) if isinstance(which, int) else which
    kept = torch.ones(len(edited.rows), dtype=torch.bool)
    for track in tracks:
        kept &= ~edited.of_track(track, where)
    return edited.rows.chosen(kept)


def _rotated(rotate: RotateConfig, edited: Edited, where: str) -> Placements:
    share = edited.of_track(rotate.track, where).to(torch.float32)
    if rotate.over_path:
        share = share * edited.progress
    return turned(edited.rows, math.radians(rotate.by_deg) * share)


def _moved(move: MoveConfig, edited: Edited, where: str) -> Placements:
    rows = edited.rows
    by = torch.tensor(move.by).expand(len(rows), 3)
    if move.axes == "object":
        by = torch.einsum("rij,rj->ri", rows.object_to_world[:, :, :3], by)
    share = edited.of_track(move.track, where).to(torch.float32)
    if move.over_path:
        share = share * edited.progress
    return shifted(rows, by * share[:, None])


def _manipulated(manipulation: ManipulateConfig, edited: Edited, where: str) -> Placements:
    if manipulation.tables is None:
        return manipulated(manipulation, edited.rows, edited.observed, edited.progress)
    folder = Path(manipulation.tables)
    return placed_by_hand(folder, edited.rows, edited.observed, lambda track: edited.index(track, where))


def _inserted(insert: InsertConfig, edited: Edited, newcomer: Newcomer, where: str) -> Placements:
    """Put an object into every picture, or into those in which what it follows is."""
    rows = edited.rows
    if insert.follow is not None:
        leader = rows.chosen(edited.of_track(insert.follow.track, where))
        pictures, poses = leader.frames, way_beside(leader, insert.follow.by, float(newcomer.row.sizes[0, 1]))
        if insert.yaw_deg is not None:
            yaws = torch.full((len(pictures),), math.radians(insert.yaw_deg))
            poses = torch.cat([upright(yaws), poses[:, :, 3:]], dim=2)
    else:
        pictures = torch.arange(rows.num_frames)
        poses = way_through(insert.places, rows.num_frames, insert.yaw_deg)
        poses[:, 1, 3] -= newcomer.row.sizes[0, 1] / 2
    count = len(pictures)
    added = Placements(
        objects=torch.full((count,), newcomer.object),
        frames=pictures,
        object_to_world=poses,
        sizes=newcomer.row.sizes[:1].expand(count, 3),
        anchors=newcomer.row.anchors[:1].expand(count, 3),
        sources=torch.full((count,), -1),
        table=rows.table,
    )
    return rows.joined(added)


def _swapped(swap: tuple[int, int], edited: Edited, where: str) -> Placements:
    """Give each of two tracks the other's node, on the same ground."""
    rows, observed = edited.rows, edited.observed
    first, second = (edited.index(track, where) for track in swap)
    objects, sizes, anchors = rows.objects.clone(), rows.sizes.clone(), rows.anchors.clone()
    poses = rows.object_to_world.clone()
    for mine, other in ((first, second), (second, first)):
        chosen = rows.objects == mine
        looks = torch.nonzero(observed.objects == other)[0]
        objects[chosen] = other
        sizes[chosen], anchors[chosen] = observed.sizes[looks], observed.anchors[looks]
        poses[chosen, 1, 3] += (rows.sizes[chosen, 1] - observed.sizes[looks, 1]) / 2
    return replace(rows, objects=objects, sizes=sizes, anchors=anchors, object_to_world=poses)


def _frozen(freeze: FreezeConfig, edited: Edited, where: str) -> Placements:
    """Put the rows of one frame into every picture, in place of those of the same tracks."""
    if freeze.frame not in edited.frame_numbers:
        numbers = edited.frame_numbers
        raise ConfigError(
            f"{where}: there is no frame {freeze.frame} in this run; it has {numbers[0]} to {numbers[-1]}"
        )
    slots = edited.observed.table[edited.frame_numbers.index(freeze.frame)]
    still = slots[slots >= 0]
    if freeze.track is not None:
        still = still[edited.observed.objects[still] == edited.index(freeze.track, where)]
    pictures = torch.arange(edited.rows.num_frames)
    rest = edited.rows.chosen(~edited.of_track(freeze.track, where))
    added = placed_in(edited.observed, still.repeat(len(pictures)), pictures.repeat_interleave(len(still)))
    return rest.joined(added)
