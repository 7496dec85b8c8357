"""``render.edits``: what is changed in a scene graph before it is rendered, as data.

Tracks are called what the data set calls them. Lengths are in scene units; the world's y points down, so that up is
negative. Edits are applied one after another.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, PositiveFloat, PositiveInt, RunReference

__all__ = ["EditConfig", "FreezeConfig", "InsertConfig", "ManipulateConfig", "MoveConfig", "RotateConfig"]

Track = Annotated[int, Field(ge=0)]
Vector = tuple[float, float, float]


class MoveConfig(Config):
    """How an object moves."""

    track: Track | None = None
    """Track; all of them by default."""
    by: Vector
    """Where to: along the axes that ``axes`` names."""
    axes: Literal["world", "object"] = "world"
    """``world``: x, y (down), z; ``object``: forward, down, to its left."""
    over_path: bool = False
    """Move bit by bit, from nothing in the first picture to all of it in the last."""


class RotateConfig(Config):
    """How an object turns."""

    track: Track | None = None
    """Track; all of them by default."""
    by_deg: float
    """Angle about the vertical through its middle, counted from x to -z: to the right seen from above."""
    over_path: bool = False
    """Turn bit by bit, from nothing in the first picture to all of it in the last."""


class InsertConfig(Config):
    """What is put in, and where."""

    source: Annotated[RunReference | None, Field(alias="from")] = None
    """Run whose object it is: its id, the beginning of one, ``@last``, or its folder; this very run by default."""
    track: Track
    """Track in that run."""
    at: Vector
    """Where the middle of its bottom comes to stand, in world coordinates."""
    yaw_deg: float = 0.0
    """Angle of its forward direction about the vertical, counted from x to -z."""


class FreezeConfig(Config):
    """What stands still."""

    frame: Annotated[int, Field(ge=0)]
    """Frame of the data set in which everything stands where it stays."""
    track: Track | None = None
    """Track; all of them by default."""


class ManipulateConfig(Config):
    """A named manipulation of the original Neural Scene Graphs, seen over the pictures of the path."""

    name: Literal["rotate", "dance", "move", "switch_location", "oversample", "traffic_jam", "translate"]
    """``rotate``: one object turns from -6 to 6 degrees. ``dance``: all turn from -36 to 36 degrees. ``translate``: all
    move from -2 to 2 along z. ``move``: one object goes along its track while all else is frozen in the first frame.
    ``switch_location``: objects take each other's places. ``oversample``: as many objects again, at places of other
    frames. ``traffic_jam``: all objects of all frames at once, but none inside another."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of what is chosen at random."""
    gap: PositiveFloat = 1.2
    """``traffic_jam``, ``oversample``: distance of two objects, in lengths of theirs, below which the later one is left
    out."""
    most: PositiveInt = 64
    """``traffic_jam``: objects in a picture at most."""


class EditConfig(Config):
    """One change: exactly one of these keys."""

    remove: Track | tuple[Track, ...] | None = None
    """Tracks to leave out."""
    move: MoveConfig | None = None
    """Move objects."""
    rotate: RotateConfig | None = None
    """Turn objects."""
    insert: InsertConfig | None = None
    """Put in an object of this run or another one; it stands still."""
    swap: tuple[Track, Track] | None = None
    """Two tracks that come to look like each other."""
    freeze: FreezeConfig | None = None
    """Let objects stand still while the camera moves on."""
    manipulate: ManipulateConfig | None = None
    """A named manipulation of the original Neural Scene Graphs."""
    only: Literal["background", "objects"] | None = None
    """``background``: no objects. ``objects``: nothing else, over ``render.background``."""

    @model_validator(mode="after")
    def _exactly_one(self) -> EditConfig:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            allowed = ", ".join(type(self).model_fields)
            raise ValueError(f"an edit has exactly one of the keys {allowed} (found {', '.join(given) or 'none'})")
        return self
