"""The named manipulations of the original Neural Scene Graphs, spread over the pictures of a path.

Source: the program of Ost et al., https://arxiv.org/abs/2011.10379 (its option ``manipulate``). Angles count about the
vertical from x to -z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from nsg_cluster.config.edits import ManipulateConfig
from nsg_cluster.geometry.placements import Placements
from nsg_cluster.models.ways import upright

__all__ = ["manipulated", "placed_in", "shifted", "turned"]

ROTATE_DEG, DANCE_DEG, TRANSLATE = 6.0, 36.0, 2.0
LEFT_DEG, LEFT_AHEAD = 30.0, 2.0


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
    random, swing = Generator().manual_seed(manipulation.seed), 2.0 * progress - 1.0
    kinds: dict[str, Callable[[], Placements]] = {
        "rotate": lambda: turned(rows, math.radians(ROTATE_DEG) * swing * _is_one(rows, random)),
        "360_rotate": lambda: turned(rows, 2.0 * math.pi * progress * _is_one(rows, random)),
        "dance": lambda: turned(rows, math.radians(DANCE_DEG) * swing),
        "move": lambda: _one_moves(rows, random),
        "move_left": lambda: _driven_left(rows, progress),
        "switch_location": lambda: _switched(rows, random),
        "translate": lambda: shifted(rows, TRANSLATE * swing[:, None] * torch.tensor([0.0, 0.0, 1.0])),
        "oversample": lambda: _filled(rows, observed, random, manipulation, twice=True),
        "traffic_jam": lambda: _filled(rows, observed, random, manipulation, twice=False),
    }
    return kinds[manipulation.name]()


def _driven_left(rows: Placements, progress: Float[Tensor, " rows"]) -> Placements:
    """Let all drive ahead and turn to the left, on the mean of the headings before and after."""
    angles = -math.radians(LEFT_DEG) * progress
    ahead = turned(rows, angles / 2).object_to_world[:, :, 0]
    return turned(shifted(rows, LEFT_AHEAD * progress[:, None] * ahead), angles)


def turned(rows: Placements, angles: Float[Tensor, " rows"]) -> Placements:
    """Return rows turned about the vertical through their middles."""
    turn, pose = upright(angles), rows.object_to_world
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


def _is_one(rows: Placements, random: Generator) -> Bool[Tensor, " rows"]:
    """Return which rows are of one object, drawn at random."""
    kinds = torch.unique(rows.objects)
    one = kinds[torch.randint(len(kinds), (1,), generator=random)] if len(kinds) else -1
    return rows.objects == one


def _one_moves(rows: Placements, random: Generator) -> Placements:
    """Freeze all objects but one in the first picture."""
    moving = _is_one(rows, random)
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
    rows: Placements, observed: Placements, random: Generator, manipulation: ManipulateConfig, *, twice: bool
) -> Placements:
    """Add observed rows to each picture where they keep their distance: as many again, or as many as fit."""
    candidates = torch.randperm(len(observed), generator=random)
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
