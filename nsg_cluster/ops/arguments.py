"""What an op asks of its tensors, and the sentence that a wrong one gets.

Sizes are numbers or names; a name stands for the same number in all arguments of a call. The compiled backends trust
what has passed here.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["FLOATS", "INDICES", "Arguments"]

FLOATS = (torch.float32, torch.float64)
INDICES = (torch.int64,)


class Arguments:
    """Checks the tensors of one call of an op, in the order in which they are named."""

    def __init__(self, op: str) -> None:
        self._op = op
        self._sizes: dict[str, int] = {}
        self._first: tuple[str, Tensor] | None = None
        self._float: tuple[str, torch.dtype] | None = None

    def check(
        self, name: str, value: object, shape: tuple[int | str, ...], dtypes: tuple[torch.dtype, ...] = FLOATS
    ) -> None:
        """Refuse a value that is no tensor of this shape, of one of these dtypes, on the device of the others.

        Raises:
            TypeError: It is no tensor, or of another dtype, or of another floating dtype than the others.
            ValueError: It has another shape, or lies on another device than the others.
        """
        if not isinstance(value, Tensor):
            raise TypeError(f"{self._op}: {name} is a {type(value).__name__}, expected a tensor")
        self._check_dtype(name, value.dtype, dtypes)
        self._check_shape(name, value, shape)
        if self._first is None:
            self._first = (name, value)
        elif value.device != self._first[1].device:
            other, first = self._first
            raise ValueError(f"{self._op}: {name} is on {value.device}, expected {first.device} as {other} is")

    def _check_dtype(self, name: str, dtype: torch.dtype, allowed: tuple[torch.dtype, ...]) -> None:
        if dtype not in allowed:
            raise TypeError(f"{self._op}: {name} is {_word(dtype)}, expected {' or '.join(map(_word, allowed))}")
        if not dtype.is_floating_point:
            return
        if self._float is None:
            self._float = (name, dtype)
        elif dtype != self._float[1]:
            other, first = self._float
            raise TypeError(f"{self._op}: {name} is {_word(dtype)}, expected {_word(first)} as {other} is")

    def _check_shape(self, name: str, value: Tensor, shape: tuple[int | str, ...]) -> None:
        found, known = tuple(value.shape), dict(self._sizes)
        fits = len(found) == len(shape) and all(
            actual == (self._sizes.setdefault(size, actual) if isinstance(size, str) else size)
            for actual, size in zip(found, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join(
                f"{size}={known[size]}" if isinstance(size, str) and size in known else str(size) for size in shape
            )
            raise ValueError(f"{self._op}: {name} has shape {found}, expected ({wanted})")

    def check_indices(self, name: str, indices: Tensor, *, lowest: int, end: int) -> None:
        """Refuse indices on the CPU that lie outside of a table; on a GPU the look would make the caller wait for it.

        Raises:
            ValueError: An index is below ``lowest``, or ``end`` or more.
        """
        if indices.device.type != "cpu" or indices.numel() == 0:
            return
        found = [int(value) for value in indices.aminmax()]
        if found[0] < lowest or found[1] >= end:
            raise ValueError(
                f"{self._op}: {name} holds indices from {found[0]} to {found[1]}, expected {lowest} to {end - 1}"
            )

    def check_offsets(self, name: str, offsets: Tensor, total: int) -> None:
        """Refuse offsets that do not cut ``total`` samples into rays; of those on a GPU only the number is looked at.

        Raises:
            ValueError: There are none, or (on the CPU) they do not begin with 0, decrease, or end with another number.
        """
        self.require(f"the number of {name}", len(offsets), allowed="1 or more", fits=len(offsets) > 0)
        if offsets.device.type != "cpu":
            return
        fits = offsets[0] == 0 and offsets[-1] == total and bool((offsets.diff() >= 0).all())
        if not fits:
            raise ValueError(f"{self._op}: {name} must begin with 0, never decrease and end with {total}, the samples")

    def require(self, name: str, value: object, *, allowed: str, fits: bool) -> None:
        """Refuse a plain value that does not fit, telling what is allowed.

        Raises:
            ValueError: It does not fit.
        """
        if not fits:
            raise ValueError(f"{self._op}: {name} is {value}, expected {allowed}")


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
