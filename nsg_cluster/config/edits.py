"""``render.edits``: what is changed in a scene graph before it is rendered, as data.

Tracks are called what the data set calls them. Lengths are in scene units; the world's y points down, so that up is
negative. Edits are applied one after another.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, Folder, PositiveFloat, PositiveInt, RunReference

__all__ = [
    "EditConfig",
    "FollowConfig",
    "FreezeConfig",
    "InsertConfig",
    "ManipulateConfig",
    "MoveConfig",
    "RotateConfig",
]

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


class FollowConfig(Config):
    """Whose way an object takes."""

    track: Track
    """Track of this run; the object is there while this one is."""
    by: Vector = (0.0, 0.0, 0.0)
    """Where from it: forward, down, to its left, along the axes of the followed one."""


class InsertConfig(Config):
    """What is put in, and where: it stands ``at`` a place, goes from there ``to`` others, or follows a track."""

    source: Annotated[RunReference | None, Field(alias="from")] = None
    """Run whose object it is: its id, the beginning of one, ``@last``, or its folder; this very run by default."""
    track: Track
    """Track in that run."""
    at: Vector | None = None
    """Where the middle of its bottom comes to stand, in world coordinates."""
    to: Vector | Annotated[tuple[Vector, ...], Field(min_length=1)] | None = None
    """Where it goes from ``at``, over the pictures of the path: a place, or several one after another, at even
    speed."""
    follow: FollowConfig | None = None
    """Instead of ``at``: go beside a track of this run."""
    yaw_deg: float | None = None
    """Angle of its forward direction about the vertical, counted from x to -z. By default 0, the direction in which it
    goes, or that of what it follows."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> InsertConfig:
        if (self.at is None) == (self.follow is None):
            raise ValueError("insert needs at, the place where the object stands, or follow, and not both")
        if self.to is not None and self.at is None:
            raise ValueError("to says where it goes from at; with follow it goes where the followed one goes")
        return self

    @property
    def places(self) -> tuple[Vector, ...]:
        """Places that it comes to, one after another; none where it follows a track."""
        if self.at is None:
            return ()
        return (self.at, *_places(self.to))


def _places(to: Vector | tuple[Vector, ...] | None) -> tuple[Vector, ...]:
    """Return one place, several, or none, as several."""
    if to is None:
        return ()
    several = tuple(place for place in to if isinstance(place, tuple))
    return several or (tuple(to),)  # type: ignore[return-value] # a place, as it is none of several


class FreezeConfig(Config):
    """What stands still."""

    frame: Annotated[int, Field(ge=0)]
    """Frame of the data set in which everything stands where it stays."""
    track: Track | None = None
    """Track; all of them by default."""


class ManipulateConfig(Config):
    """A named manipulation of the original Neural Scene Graphs, seen over the pictures of the path."""

    name: Literal[
        "rotate",
        "360_rotate",
        "dance",
        "move",
        "move_left",
        "switch_location",
        "oversample",
        "traffic_jam",
        "translate",
        "handcrafted",
    ]
    """``rotate``: one object turns from -6 to 6 degrees. ``360_rotate``: one turns once around. ``dance``: all turn
    from -36 to 36 degrees. ``translate``: all move from -2 to 2 along z. ``move``: one object goes along its track
    while all else is frozen in the first frame. ``move_left``: all go 2 ahead and turn 30 degrees to the left.
    ``switch_location``: objects take each other's places. ``oversample``: as many objects again, at places of other
    frames. ``traffic_jam``: all objects of all frames at once, but none inside another. ``handcrafted``: objects stand
    where ``tables`` says (handcrafted_set_01, …)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of what is chosen at random."""
    gap: PositiveFloat = 1.2
    """``traffic_jam``, ``oversample``: distance of two objects, in lengths of theirs, below which the later one is left
    out."""
    most: PositiveInt = 64
    """``traffic_jam``: objects in a picture at most."""
    tables: Folder | None = None
    """``handcrafted``: folder of ``000.txt``, ``001.txt``, …, one for each picture, as ``render.nodes`` writes them: a
    line for each object with x, y (of its bottom), z, yaw in radians, track; more columns are ignored. A picture
    without a file stays as it is."""

    @model_validator(mode="after")
    def _has_tables(self) -> ManipulateConfig:
        if (self.name == "handcrafted") != (self.tables is not None):
            raise ValueError("manipulate 'handcrafted' needs tables, the folder of its text files, and no other has it")
        return self


class EditConfig(Config):
    """One change: exactly one of these keys."""

    remove: Track | tuple[Track, ...] | None = None
    """Tracks to leave out."""
    move: MoveConfig | None = None
    """Move objects."""
    rotate: RotateConfig | None = None
    """Turn objects."""
    insert: InsertConfig | None = None
    """Put in an object of this run or another one."""
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
