"""A named table of builders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from nsg_cluster.core.errors import ConfigError, did_you_mean

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Builders by name: a name is given once, and a wrong name is answered with the right ones."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._builders: dict[str, T] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The known names, sorted."""
        return tuple(sorted(self._builders))

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a builder to enter it under a name.

        Raises:
            ValueError: The name is taken; two modules claim it.
        """

        def enter(builder: T) -> T:
            if name in self._builders:
                raise ValueError(f"{self.noun} '{name}' is already registered as {self._builders[name]!r}")
            self._builders[name] = builder
            return builder

        return enter

    def __getitem__(self, name: str) -> T:
        """Return the builder of a name.

        Raises:
            ConfigError: No builder has that name.
        """
        if name not in self._builders:
            known = ", ".join(self.names)
            raise ConfigError(f"{self.noun} '{name}' is not one of {known}.{did_you_mean(name, self.names)}")
        return self._builders[name]
