"""A request to stop that comes after some steps."""

from __future__ import annotations

from nsg_cluster.core.signals import Request, StopSignal

__all__ = ["StopAt"]


class StopAt(StopSignal):
    """Is asked to stop when it is looked at for the n-th time, which is after n steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    @property
    def requested(self) -> Request | None:  # type: ignore[override]
        """What was asked."""
        self._left -= 1
        return "warning" if self._left <= 0 else None

    @requested.setter
    def requested(self, value: Request | None) -> None:
        """Take nothing in."""
