"""The section ``data`` for drives: a car with cameras, and other cars around it that move.

Lengths are in meters, angles in degrees. The world is that of Virtual KITTI: x forward, y down, z to the left, seen
from the first frame.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nsg_cluster.config.base import Config, Folder, NonNegative, PositiveFloat, PositiveInt

__all__ = ["DrivingData", "FrameRanges", "KittiData", "StreetData", "VKitti2Data", "frame_ranges"]

Offset = tuple[float, float, float]
Protocol = Literal["nsg_paper", "suds_75", "suds_50", "suds_25", "mars", "reconstruction"]


def frame_ranges(text: str) -> list[tuple[int, int]]:
    """Return the first and the last frame of each range in a text such as ``0-20, 65-120`` or ``101``.

    Raises:
        ValueError: It is no such text, or a range runs backwards or begins within an earlier one.
    """
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part)
        if match is None:
            raise ValueError(f"'{part.strip()}' is no frame and no range of frames; write '65-120' or '0-20, 65-120'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or (found and first <= found[-1][1]):
            raise ValueError(f"'{part.strip()}' must run forwards and begin after the ranges before it")
        found.append((first, last))
    return found


def _checked_ranges(text: str) -> str:
    frame_ranges(text)
    return text


FrameRanges = Annotated[str, AfterValidator(_checked_ranges)]


class _Drive(Config):
    """What all drives share."""

    cameras: Literal["left", "right", "both"] = "both"
    """Which of the two cameras to use."""
    protocol: Protocol = "suds_75"
    """Which frames are held out, and which frames are used where ``frames`` names none. Both cameras share it.
    ``suds_75`` and ``suds_50`` hold out the 5th, 9th, … and the 3rd, 5th, … frame, ``suds_25`` all but the 1st, 5th,
    9th, …; ``mars`` the 4th, 8th, …; ``nsg_paper`` the 11th, 21st, …; ``reconstruction`` none, and evaluates what it is
    trained on."""
    hold_out_every: Annotated[int, Field(ge=2)] | None = None
    """Hold out each frame whose count from 1 this divides, instead of those of the protocol."""
    box_scale: PositiveFloat = 1.0
    """Factor by which boxes are longer and wider than the labels say, so that they hold an object's shadow: 1.9 on
    KITTI and 1.3 on Virtual KITTI in the original."""
    class_box_scale: dict[str, PositiveFloat] = Field(default_factory=lambda: {"pedestrian": 1.2})
    """The same for classes that have a factor of their own, such as ``{pedestrian: 1.2}``."""
    min_motion: NonNegative = 0.5
    """An object that is nearer than this to where it was first, in the last frame of the selection in which it is seen,
    stands still and belongs to the background; 0 makes an object of everything."""
    always_objects: tuple[str, ...] = ("pedestrian",)
    """Classes to which ``min_motion`` does not apply."""
    exclude_tracks: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Tracks that belong to the background whatever they do."""
    near: NonNegative = 0.5
    """Distance along a ray at which the scene begins."""
    far: PositiveFloat = 150.0
    """Distance along a ray at which the scene ends."""
    bound: PositiveFloat | None = None
    """Half the side of the cube, around the middle of the cameras' way, that is the scene box; by default the smallest
    cube that holds all cameras and objects. What is beyond is left to the surroundings (see ``model.bound`` and
    ``contraction``): where cameras stand, 8 or so, so that grid cells grow with the distance as pixels do."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> _Drive:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near}) must be smaller than far ({self.far})")
        return self


class _DriveOnDisk(_Drive):
    """What drives in files share."""

    root: Folder
    """Folder of the data set. ``${storage}`` is the site's storage root."""
    frames: FrameRanges | None = None
    """Frames to use, both ends included, such as ``65-120`` or ``0-20, 65-120``; by default those of the protocol, and
    all where it names none for this drive."""
    downsample: Annotated[int, Field(ge=1, le=64)] = 1
    """Integer factor by which images are averaged down when read; columns on the right and rows at the bottom that it
    leaves over are cut off."""
    image_size: tuple[PositiveInt, PositiveInt] | None = None
    """Width and height of the images, needed only to render where no image is at hand; otherwise they tell."""


class KittiData(_DriveOnDisk):
    """A sequence of the KITTI tracking benchmark."""

    kind: Literal["kitti"]
    sequence: Annotated[str, Field(pattern=r"^\d{4}$")]
    """Number of the sequence: four digits in quotes."""
    geometry: Literal["exact", "nsg_compat"] = "exact"
    """``exact`` uses the principal point and the rectification of the calibration and all three angles of the objects;
    ``nsg_compat`` does what Neural Scene Graphs does instead: principal point in the middle, hand-tuned turns of the
    cameras, objects upright and not rectified. Weights of the original need it."""
    camera_turn_deg: tuple[float, float, float] | None = None
    """``nsg_compat``: yaw, pitch and roll by which the cameras are turned, where not those that the original has for
    the sequence."""
    depth: bool = True
    """Read depth where it is present: ``depth_02/0006/000065.png`` beside ``image_02`` in 1/256 m along the camera's
    axis, 0 for none, as ``data synthesize`` writes it. The tracking benchmark has none."""
    segmentation: bool = True
    """Read which object each pixel shows where that is present: ``instances_02/0006/000065.png`` beside ``image_02``,
    1000 times a class plus the track, as ``data synthesize`` and MOTS write it. The tracking benchmark has none."""
    origin: Literal["sequence", "selection"] = "sequence"
    """Whose first frame is the origin of the world."""
    classes: dict[str, str] = Field(
        default_factory=lambda: {
            "Car": "car",
            "Van": "car",
            "Truck": "truck",
            "Tram": "tram",
            "Pedestrian": "pedestrian",
        }
    )
    """Types of the label files that become objects, and the class of each; others are left to the background."""


class VKitti2Data(_DriveOnDisk):
    """A scene of Virtual KITTI 2."""

    kind: Literal["vkitti2"]
    scene: Annotated[str, Field(pattern=r"^\d{2}$")]
    """Number of the scene: two digits in quotes."""
    variant: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "clone"
    """Weather, time of day or turn of the cameras: clone, fog, morning, overcast, rain, sunset, 15-deg-left, …"""
    depth: bool = True
    """Read depth where it is present."""
    segmentation: bool = True
    """Read which object and which class each pixel shows where that is present."""
    classes: dict[str, str] = Field(default_factory=lambda: {"Car": "car", "Van": "van", "Truck": "truck"})
    """Labels that become objects, and the class of each; others are left to the background."""


class StreetData(_Drive):
    """A procedural street with exact ray-traced images, depth, masks, boxes and poses: no download, known answer."""

    kind: Literal["street"]
    width: Annotated[int, Field(ge=16, le=2048)] = 312
    """Width of the images, in pixels."""
    height: Annotated[int, Field(ge=8, le=2048)] = 94
    """Height of the images, in pixels."""
    frames: Annotated[int, Field(ge=1, le=1000)] = 24
    """Moments, a tenth of a second apart."""
    cars: Annotated[int, Field(ge=0, le=6)] = 4
    """Vehicles on the street, of differing shape: a sedan, a van, a hatchback, a truck, a bus and a sports car."""
    ego_motion: bool = True
    """Whether the car with the cameras drives."""
    car_motion: bool = True
    """Whether the others drive."""
    supersample: Annotated[int, Field(ge=1, le=8)] = 2
    """Rays per pixel side that are averaged in the images."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of where houses and trees stand, and of how they are painted."""
    far: PositiveFloat = 120.0
    """Distance along a ray at which the scene ends."""
    remove: tuple[PositiveInt, ...] = ()
    """Vehicles that are taken away, by their track: the truth of an edited street. Tracks count from 1."""
    move: dict[PositiveInt, Offset] = Field(default_factory=dict)
    """Vehicles that are moved, by how much in each frame: ``{1: [0, 0, 1.5]}`` drives one 1.5 m further left."""
    insert: dict[PositiveInt, Offset] = Field(default_factory=dict)
    """Vehicles of which there is one more, by how far from the first: ``{1: [14, 0, 0]}`` puts one 14 m ahead of it."""

    @model_validator(mode="after")
    def _edits_name_vehicles(self) -> StreetData:
        for key in ("remove", "move", "insert"):
            for track in getattr(self, key):
                if track > self.cars:
                    raise ValueError(f"{key} names track {track}, and cars ({self.cars}) is all there are")
        return self


DrivingData = KittiData | VKitti2Data | StreetData
