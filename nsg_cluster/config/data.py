"""The section ``data``: where images and cameras come from, and which of them are held out.

Lengths are in scene units, angles in degrees.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nsg_cluster.config.base import Config, PositiveFloat, PositiveInt
from nsg_cluster.core.files import absolute_path

__all__ = ["BlenderData", "DataConfig", "SyntheticData"]

# Made absolute when read, so that a task finds the folder wherever it runs.
Folder = Annotated[str, Field(min_length=1), AfterValidator(lambda text: str(absolute_path(text)))]


class SyntheticData(Config):
    """A procedural scene with exact ray-traced images: no download, known answer."""

    kind: Literal["synthetic"] = "synthetic"
    scene: Literal["toybox"] = "toybox"
    """Which procedural scene."""
    image_size: Annotated[int, Field(ge=8, le=2048)] = 96
    """Width and height of every image, in pixels."""
    train_views: PositiveInt = 60
    """Number of training images, on a sphere around the scene."""
    test_views: PositiveInt = 8
    """Number of held-out images, on a turntable between the training views."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the camera positions (the scene itself is fixed)."""
    supersample: Annotated[int, Field(ge=1, le=8)] = 3
    """Rays per pixel side that are averaged in the ground truth."""


class BlenderData(Config):
    """The Blender format of NeRF: ``transforms_<split>.json`` beside RGBA images."""

    kind: Literal["blender"]
    root: Folder
    """Folder that holds ``transforms_train.json``. ``${storage}`` is the site's storage root."""
    downsample: Annotated[int, Field(ge=1, le=64)] = 1
    """Integer factor by which images are averaged down when read."""
    train_splits: tuple[Literal["train", "val", "test"], ...] = ("train",)
    """Splits that are trained on."""
    test_split: Literal["train", "val", "test"] = "val"
    """Split that is held out and evaluated."""
    max_train_views: PositiveInt | None = None
    """Use only the first so many training images; all of them by default."""
    max_test_views: PositiveInt | None = None
    """Use only the first so many held-out images; all of them by default."""
    bound: PositiveFloat = 1.5
    """Half the side of the axis-aligned cube around the origin that holds the scene."""
    near: Annotated[float, Field(ge=0)] = 2.0
    """Distance along a ray at which the scene begins."""
    far: PositiveFloat = 6.0
    """Distance along a ray at which the scene ends."""

    @model_validator(mode="after")
    def _fits_together(self) -> BlenderData:
        wrong = []
        if self.near >= self.far:
            wrong.append(f"near ({self.near}) must be smaller than far ({self.far})")
        if self.test_split in self.train_splits:
            wrong.append(f"test_split '{self.test_split}' is also in train_splits, so nothing would be held out")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


DataConfig = Annotated[SyntheticData | BlenderData, Field(discriminator="kind")]
