"""Encodings of points and directions, in plain PyTorch.

The hash grid follows tiny-cuda-nn: level ``l`` has scale ``s = N_min b^l - 1`` and resolution ``r = ceil(s) + 1``; a
point ``x`` in the unit cube stands at ``p = s x + 0.5``, and its 8 corners are ``floor(p)`` and one more along each
axis. A level of at most ``T`` grid points is stored densely (x fastest), a larger one hashed into ``T`` entries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["HashGridLayout", "hash_encode", "spherical_harmonics", "trunc_exp"]

PRIMES = (1, 2654435761, 805459861)


def _float32(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float32))


@dataclass(frozen=True, kw_only=True)
class HashGridLayout:
    """Where the entries of a multiresolution hash grid lie (Instant-NGP, section 3; https://arxiv.org/abs/2201.05989)."""

    levels: int
    """Number of resolutions (L in the paper)."""
    features: int
    """Features of an entry (F)."""
    log2_table_size: int
    """Base-2 logarithm of the largest number of entries of a level (T)."""
    base_resolution: int
    """Cells along a side of the coarsest level (N_min)."""
    max_resolution: int
    """Cells along a side of the finest level (N_max)."""

    def __post_init__(self) -> None:
        if self.levels < 1 or self.features < 1:
            raise ValueError(f"HashGridLayout: levels ({self.levels}) and features ({self.features}) must be 1 or more")
        if not 3 <= self.log2_table_size <= 28:
            raise ValueError(f"HashGridLayout: log2_table_size is {self.log2_table_size}, expected 3 to 28")
        if not 1 <= self.base_resolution <= self.max_resolution <= 1 << 20:
            raise ValueError(
                f"HashGridLayout: expected 1 <= base_resolution ({self.base_resolution}) <= "
                f"max_resolution ({self.max_resolution}) <= 2^20"
            )

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Factor of each level, rounded to float32 at each operation as tiny-cuda-nn does."""
        ratio = self.max_resolution / self.base_resolution
        growth = _float32(math.exp(math.log(ratio) / max(self.levels - 1, 1)))
        log2_growth = _float32(math.log2(growth))
        powers = [_float32(2.0 ** _float32(level * log2_growth)) for level in range(self.levels)]
        return tuple(_float32(_float32(power * self.base_resolution) - 1.0) for power in powers)

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Grid points along a side of each level."""
        return tuple(math.ceil(scale) + 1 for scale in self.scales)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each level: all grid points, rounded up to a multiple of 8, or ``2^log2_table_size``."""
        return tuple(min((r**3 + 7) // 8 * 8, 1 << self.log2_table_size) for r in self.resolutions)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First entry of each level, and the total at the end."""
        return tuple(sum(self.sizes[:level]) for level in range(self.levels + 1))

    @property
    def num_entries(self) -> int:
        """Entries of all levels."""
        return self.offsets[-1]

    @property
    def width(self) -> int:
        """Features of all levels together."""
        return self.levels * self.features


class _GatherRows(torch.autograd.Function):
    """``table[index]`` whose gradient is summed in order of the index; that of indexing races between threads."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, table: Float[Tensor, "entries features"], index: Int[Tensor, " n"]
    ) -> Float[Tensor, "n features"]:
        ctx.save_for_backward(index)
        ctx.entries = table.shape[0]  # type: ignore[attr-defined]
        return table.index_select(0, index)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, grad: Float[Tensor, "n features"]
    ) -> tuple[Float[Tensor, "entries features"], None]:
        (index,) = ctx.saved_tensors  # type: ignore[attr-defined]
        zeros = grad.new_zeros(ctx.entries)  # type: ignore[attr-defined]
        return torch.stack([zeros.index_add(0, index, column) for column in grad.unbind(1)], dim=1), None


def _corners(cell: Int[Tensor, "n 3"], resolution: int, size: int) -> Int[Tensor, "n 8"]:
    """Return the entries of the corners of cells, the one along z changing fastest."""
    is_dense = resolution**3 <= size
    factors = (1, resolution, resolution**2) if is_dense else PRIMES
    x, y, z = (torch.stack((cell[:, d], cell[:, d] + 1), dim=1) * factors[d] for d in range(3))
    x, y, z = x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]
    mixed = x + y + z if is_dense else x ^ y ^ z
    return mixed.reshape(-1, 8) % size


def _encode_level(
    points: Float[Tensor, "n 3"], table: Float[Tensor, "size features"], scale: float, resolution: int
) -> Float[Tensor, "n features"]:
    position = points * scale + 0.5
    cell = position.detach().floor()
    upper = position - cell
    x, y, z = torch.stack((1 - upper, upper), dim=2).unbind(1)
    weights = (x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]).reshape(-1, 8, 1)
    index = _corners(cell.long(), resolution, table.shape[0])
    values: Tensor = _GatherRows.apply(table, index.reshape(-1))  # type: ignore[no-untyped-call]
    return (weights * values.reshape(-1, 8, table.shape[1])).sum(1)


def hash_encode(
    points: Float[Tensor, "n 3"], table: Float[Tensor, "entries features"], layout: HashGridLayout
) -> Float[Tensor, "n width"]:
    """Interpolate the entries around each point on every level (Instant-NGP, section 3).

    Args:
        points: Positions in the unit cube; what lies outside is moved to its surface.
        table: Entries of all levels, one after another.
        layout: Where the entries lie.

    Returns:
        The features of the levels, coarsest first.
    """
    inside = points.clamp(0, 1)
    tables = table.split(layout.sizes)  # type: ignore[no-untyped-call]
    parts = zip(tables, layout.scales, layout.resolutions, strict=True)
    return torch.cat([_encode_level(inside, part, scale, resolution) for part, scale, resolution in parts], dim=1)


def spherical_harmonics(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n {degree}**2"]:
    """Evaluate the real spherical harmonics of the orders below ``degree``, with the Condon-Shortley phase.

    ``Y_lm = N_lm P_l^|m|(z) {sin(|m| phi), 1, cos(m phi)}`` for ``m`` negative, zero, positive. Powers of
    ``x + i y`` replace ``sin^m(theta) e^(i m phi)``, which leaves polynomials in x, y, z.

    Args:
        directions: Unit vectors.
        degree: Number of orders, 1 to 8.

    Returns:
        Values ordered by ``l``, then ``m`` from ``-l`` to ``l``.
    """
    x, y, z = directions.unbind(1)
    cosine, sine = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(1, degree):
        cosine, sine = (
            [*cosine, x * cosine[-1] - y * sine[-1]],
            [*sine, x * sine[-1] + y * cosine[-1]],
        )
    legendre = _legendre(z, degree)
    columns = []
    for order in range(degree):
        for m in range(-order, order + 1):
            k = abs(m)
            scale = math.sqrt((2 * order + 1) / (4 * math.pi) * math.factorial(order - k) / math.factorial(order + k))
            turn = sine[k] if m < 0 else cosine[k]
            columns.append((scale if m == 0 else math.sqrt(2) * scale) * legendre[order][k] * turn)
    return torch.stack(columns, dim=1)


def _legendre(z: Float[Tensor, " n"], degree: int) -> list[list[Tensor]]:
    """Return ``P_l^m(z) / (1 - z^2)^(m/2)`` for ``0 <= m <= l < degree``, with the phase ``(-1)^m``."""
    table: list[list[Tensor]] = []
    for order in range(degree):
        row = []
        for m in range(order + 1):
            if m == order:
                value = torch.full_like(z, (1 - 2 * (m % 2)) * math.prod(range(1, 2 * m, 2)))
            elif m == order - 1:
                value = z * (2 * m + 1) * table[m][m]
            else:
                value = (z * (2 * order - 1) * table[order - 1][m] - (order + m - 1) * table[order - 2][m]) / (
                    order - m
                )
            row.append(value)
        table.append(row)
    return table


class _TruncExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        x: Tensor = ctx.saved_tensors[0]  # type: ignore[attr-defined]
        return grad * x.clamp(-15, 15).exp()


def trunc_exp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return ``exp(x)`` whose gradient is that at ``x`` clamped to ±15, so that it neither vanishes nor explodes."""
    value: Tensor = _TruncExp.apply(x)  # type: ignore[no-untyped-call]
    return value
