"""What is learned about where objects stand: boxes from a detector or a person are never exact."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from nsg_cluster.geometry.placements import Placements

__all__ = ["PerObject"]


class PerObject(nn.Module):
    """A shift and a turn of each row of the observed placements."""

    def __init__(self, rows: int, *, is_refined: bool) -> None:
        """Start from the given placements."""
        super().__init__()
        self.shifts = nn.Parameter(torch.zeros(rows, 3)) if is_refined else None
        self.turns = nn.Parameter(torch.zeros(rows)) if is_refined else None

    def pose_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move objects."""
        return [table for table in (self.shifts, self.turns) if table is not None]

    def refined(self, rows: Placements) -> Placements:
        """Return rows shifted along the world's axes and turned about their own y, as was learned for their sources."""
        if self.shifts is None or self.turns is None:
            return rows
        is_known = rows.sources >= 0
        source = rows.sources.clamp(min=0)
        turn, shift = self.turns[source] * is_known, self.shifts[source] * is_known[:, None]
        c, s, zero, one = turn.cos(), turn.sin(), torch.zeros_like(turn), torch.ones_like(turn)
        about_y = torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=1).view(-1, 3, 3)
        rotation, position = rows.object_to_world[:, :, :3], rows.object_to_world[:, :, 3]
        return replace(rows, object_to_world=torch.cat([rotation @ about_y, (position + shift)[:, :, None]], dim=2))
