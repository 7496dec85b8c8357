"""The named manipulations of the original Neural Scene Graphs, spread over the pictures of a path.

Source: the program of Ost et al., https://arxiv.org/abs/2011.10379 (its option ``manipulate``). Angles count about the
vertical from x to -z.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nsg_cluster.config.edits import ManipulateConfig
from nsg_cluster.geometry.placements import Placements

__all__ = ["manipulated", "placed_in", "shifted", "turned"]

ROTATE_DEG, DANCE_DEG, TRANSLATE = 6.0, 36.0, 2.0


def manipulated(
    manipulation: ManipulateConfig, rows: Placements, observed: Placements, progress: Float[Tensor, " rows"]
) -> Placements:
    """Return the table that a manipulation makes of another.

    Args:
        manipulation: What to do.
        rows: A row group for each picture.
        observed: A row group for each frame of the data set.
        progress: How far along the path the picture of each row is.
    """
    random = Generator().manual_seed(manipulation.seed)
    swing = 2.0 * progress - 1.0
    if manipulation.name == "rotate":
        return turned(rows, math.radians(ROTATE_DEG) * swing * (rows.objects == _any_of(rows.objects, random)))
    if manipulation.name == "dance":
        return turned(rows, math.radians(DANCE_DEG) * swing)
    if manipulation.name == "translate":
        return shifted(rows, TRANSLATE * swing[:, None] * torch.tensor([0.0, 0.0, 1.0]))
    if manipulation.name in {"move", "switch_location"}:
        return (_one_moves if manipulation.name == "move" else _switched)(rows, random)
    candidates = torch.randperm(len(observed), generator=random)
    return _filled(rows, observed, candidates, manipulation, twice=manipulation.name == "oversample")


def turned(rows: Placements, angles: Float[Tensor, " rows"]) -> Placements:
    """Return rows turned about the vertical through their middles."""
    c, s = angles.cos(), angles.sin()
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    turn = torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=1).view(-1, 3, 3)
    pose = rows.object_to_world
    return replace(rows, object_to_world=torch.cat([turn @ pose[:, :, :3], pose[:, :, 3:]], dim=2))


def shifted(rows: Placements, by: Float[Tensor, "rows 3"]) -> Placements:
    """Return rows shifted in world coordinates."""
    pose = rows.object_to_world
    return replace(rows, object_to_world=torch.cat([pose[:, :, :3], (pose[:, :, 3] + by)[:, :, None]], dim=2))


def placed_in(rows: Placements, which: Int[Tensor, " taken"], pictures: Int[Tensor, " taken"]) -> Placements:
    """Return rows for pictures, to be joined to a table of pictures."""
    return replace(
        rows,
        objects=rows.objects[which],
        frames=pictures,
        object_to_world=rows.object_to_world[which],
        sizes=rows.sizes[which],
        anchors=rows.anchors[which],
        sources=rows.sources[which],
    )


def _any_of(objects: Int[Tensor, " rows"], random: Generator) -> int:
    """Return one of the objects, drawn at random; -1 where there is none."""
    kinds = torch.unique(objects)
    return int(kinds[torch.randint(len(kinds), (1,), generator=random)]) if len(kinds) else -1


def _one_moves(rows: Placements, random: Generator) -> Placements:
    """Freeze all objects but one in the first picture."""
    moving = rows.objects == _any_of(rows.objects, random)
    still = torch.nonzero((rows.frames == 0) & ~moving)[:, 0]
    pictures = torch.arange(rows.num_frames)
    frozen = placed_in(rows, still.repeat(len(pictures)), pictures.repeat_interleave(len(still)))
    return rows.chosen(moving).joined(frozen)


def _switched(rows: Placements, random: Generator) -> Placements:
    """Let the objects of each picture take each other's places, everywhere the same ones."""
    kinds = torch.unique(rows.objects)
    taken_by = dict(zip(kinds.tolist(), kinds[torch.randperm(len(kinds), generator=random)].tolist(), strict=True))
    first_row = {kind: int(torch.nonzero(rows.objects == kind)[0]) for kind in kinds.tolist()}
    looks = torch.tensor([first_row[taken_by[kind]] for kind in rows.objects.tolist()], dtype=torch.long)
    sizes = rows.sizes[looks]
    onto_ground = torch.zeros(len(rows), 3)
    onto_ground[:, 1] = (rows.sizes[:, 1] - sizes[:, 1]) / 2
    changed = replace(rows, objects=rows.objects[looks], sizes=sizes, anchors=rows.anchors[looks])
    return shifted(changed, onto_ground)


def _filled(
    rows: Placements, observed: Placements, candidates: Tensor, manipulation: ManipulateConfig, *, twice: bool
) -> Placements:
    """Add observed rows to each picture where they keep their distance: as many again, or as many as fit."""
    taken, pictures = [], []
    for picture in range(rows.num_frames):
        here = torch.nonzero(rows.frames == picture)[:, 0]
        places = list(rows.object_to_world[here, :, 3])
        wanted = 2 * len(here) if twice else manipulation.most
        for row in candidates.tolist():
            if len(places) >= wanted:
                break
            place, reach = observed.object_to_world[row, :, 3], manipulation.gap * float(observed.sizes[row].max())
            if all(float((place - other).norm()) >= reach for other in places):
                places.append(place)
                taken.append(row)
                pictures.append(picture)
    added = placed_in(observed, torch.tensor(taken, dtype=torch.long), torch.tensor(pictures, dtype=torch.long))
    return rows.joined(added)
