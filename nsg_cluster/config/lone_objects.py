"""The section ``data`` for objects that are seen alone, each from all around: what ``train.reptile`` learns from.

Lengths are in scene units, which are meters where the objects are cars; angles in degrees.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nsg_cluster.config.base import Config, Folder, PositiveFloat, PositiveInt

__all__ = ["LoneObjectsData", "ObjectViewsData", "VehiclesData"]


class _LoneObjects(Config):
    """What all of them share."""

    box_scale: PositiveFloat = 1.0
    """Factor by which boxes are longer and wider than the objects, as in the scenes that will start from them."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of where the objects stand, and of what is drawn at random."""


class ObjectViewsData(_LoneObjects):
    """3D models that ``data render-objects`` rendered, such as the cars of ShapeNet: one folder for each."""

    kind: Literal["object_views"]
    root: Folder
    """Folder that holds a folder for each model, as ``data render-objects`` writes them."""
    forward: Literal["x", "-x", "y", "-y"] = "y"
    """Axis of the rendered models that points forward; ``y`` for ShapeNet."""
    length: PositiveFloat = 4.0
    """Longest side of each object, to which it is scaled."""
    max_objects: PositiveInt | None = None
    """Use only the first so many, in the order of their names; all by default."""


class VehiclesData(_LoneObjects):
    """Procedural cars, vans and trucks, each another one, ray-traced: no download."""

    kind: Literal["vehicles"]
    vehicles: Annotated[int, Field(ge=1, le=1000)] = 24
    """How many there are; sizes, shapes and colors are drawn at random."""
    views: PositiveInt = 20
    """Training images of each."""
    test_views: PositiveInt = 2
    """Held-out images of each."""
    image_size: Annotated[int, Field(ge=8, le=1024)] = 64
    """Width and height of the images, in pixels."""
    elevation_deg: tuple[Annotated[float, Field(ge=-5, le=85)], Annotated[float, Field(ge=-5, le=85)]] = (3.0, 30.0)
    """Lowest and highest camera above the horizon."""
    ground: bool = True
    """Let each stand on a piece of road as large as its box, with its shadow: boxes on a street hold that as well."""
    supersample: Annotated[int, Field(ge=1, le=8)] = 2
    """Rays per pixel side that are averaged in the images."""


LoneObjectsData = ObjectViewsData | VehiclesData
