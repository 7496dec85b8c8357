"""The section ``data``: where images and cameras come from, and which of them are held out.

Lengths are in scene units, angles in degrees.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, Folder, PositiveFloat, PositiveInt
from nsg_cluster.config.driving import KittiData, StreetData, VKitti2Data
from nsg_cluster.config.lone_objects import ObjectViewsData, VehiclesData
from nsg_cluster.config.objects import ObjectsData

__all__ = [
    "BlenderData",
    "ColmapData",
    "DataConfig",
    "ExposedPhotographs",
    "LlffData",
    "NerfppData",
    "NsvfData",
    "ObjectViewsData",
    "ObjectsData",
    "Photographs",
    "RtmvData",
    "SyntheticData",
    "TransformsData",
    "UnsplitPhotographs",
    "VehiclesData",
]


class SyntheticData(Config):
    """A procedural scene with exact ray-traced images: no download, known answer."""

    kind: Literal["synthetic"] = "synthetic"
    scene: Literal["toybox", "metal"] = "toybox"
    """Which procedural scene: painted solids, or smooth and brushed metal that reflects colored lamps."""
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


class Photographs(Config):
    """What all formats of photographs have in common."""

    root: Folder
    """Folder of the scene. ``${storage}`` is the site's storage root."""
    downsample: Annotated[float, Field(ge=1, le=64)] = 1.0
    """Factor by which images are averaged down when read; any number."""
    cache: Folder | None = None
    """Folder in which images that were averaged down are kept between runs; none by default."""
    max_train_views: PositiveInt | None = None
    """Use only the first so many training images; all of them by default."""
    max_test_views: PositiveInt | None = None
    """Use only the first so many held-out images; all of them by default."""
    bound: PositiveFloat = 1.0
    """Half the side of the axis-aligned cube around the origin that holds the scene, or around which space is
    contracted; after ``normalize`` where the format has that."""
    near: Annotated[float, Field(ge=0)] = 0.05
    """Distance along a ray at which the scene begins."""
    far: PositiveFloat = 100.0
    """Distance along a ray at which the scene ends."""

    @model_validator(mode="after")
    def _near_before_far(self) -> Photographs:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near}) must be smaller than far ({self.far})")
        return self


class UnsplitPhotographs(Photographs):
    """Formats that list all images together."""

    hold_out_every: Annotated[int, Field(ge=2)] = 8
    """Hold out the first image, in the order of names, and every so many after it, as NeRF and mip-NeRF 360 do; where
    a ``transforms.json`` lists its splits, these count."""
    normalize: Literal["cameras", "none"] = "cameras"
    """``cameras``: turn z up, put the point that the cameras look at in the middle and nine of ten cameras within a
    distance of 1, unmoved by a few wrong poses; ``none`` keeps the coordinates of the file."""


class ExposedPhotographs(UnsplitPhotographs):
    """Formats that may hold several exposures of each view, as HDR-NeRF's data sets do."""

    exposures: tuple[PositiveFloat, ...] | None = None
    """Exposure times in seconds, by the number at the end of an image's name: ``[0.125, 0.5, 2, 8, 32]`` for names from
    ``…_0.jpg`` to ``…_4.jpg`` (HDR-NeRF); their logarithms are what ``model.tone_curves`` is told."""
    hold_out: Literal["every", "exposures"] = "every"
    """``every``: see ``hold_out_every``. ``exposures``: hold out every second view, at every second exposure; of the
    others train on the exposures between (HDR-NeRF)."""

    @model_validator(mode="after")
    def _exposures_differ(self) -> ExposedPhotographs:
        if self.exposures is not None and len(set(self.exposures)) < 2:
            raise ValueError("exposures must list at least two times that differ; leave it out for a single one")
        return self


class TransformsData(UnsplitPhotographs):
    """One ``transforms.json`` of instant-ngp or nerfstudio: intrinsics of all images or of each, lenses."""

    kind: Literal["transforms"]
    instant_ngp_frame: bool = False
    """Take the frame of instant-ngp instead: positions times 0.33, and the scene box from ``aabb_scale`` instead of
    ``bound``."""
    file: str = "transforms.json"
    """Name of the file in ``root``."""


class ColmapData(ExposedPhotographs):
    """A reconstruction by COLMAP, binary or text, such as the scenes of mip-NeRF 360: any camera model."""

    kind: Literal["colmap"]
    images: str = "images"
    """Folder of the images in ``root``; ``images_4`` and the like hold smaller ones."""
    sparse: str = "sparse/0"
    """Folder of ``cameras``, ``images`` and ``points3D`` in ``root``."""


class LlffData(ExposedPhotographs):
    """``poses_bounds.npy`` of LLFF, such as fern: views that face forward, or that surround an object."""

    kind: Literal["llff"]
    file: str = "poses_bounds.npy"
    """Name of the file in ``root``; ``poses_bounds_exps.npy`` of HDR-NeRF has the exposure of each image as well."""
    images: str = "images"
    """Folder of the images in ``root``; ``images_8`` and the like hold smaller ones."""
    views: Literal["forward", "around"] = "forward"
    """``forward``: cameras look the same way; the mean one is put at the origin, the nearest thing at a distance of
    4/3. ``around``: cameras surround what they look at, which is put in the middle."""
    space: Literal["world", "ndc"] = "world"
    """``ndc``: rays run through normalized device coordinates (NeRF, appendix C), where all that views which face
    forward can see is a box; ``world`` takes a model with contraction."""

    @model_validator(mode="after")
    def _ndc_faces_forward(self) -> LlffData:
        if self.space == "ndc" and (self.views != "forward" or self.normalize != "cameras"):
            raise ValueError("space 'ndc' is for views 'forward' with normalize 'cameras'; take space 'world'")
        return self


class NsvfData(Photographs):
    """The layout of NSVF: ``bbox.txt``, whose box is brought to the cube of ``bound``, ``pose/`` and ``rgb/``."""

    kind: Literal["nsvf"]
    enlarge: Annotated[float, Field(ge=1, le=4)] = 1.05
    """Factor on the box of ``bbox.txt``; some of those that circulate are too tight (Mic 1.26, Lego 1.16)."""


class NerfppData(Photographs):
    """The layout of NeRF++: ``train`` and ``test`` with ``rgb/``, ``pose/`` and ``intrinsics/``."""

    kind: Literal["nerfpp"]


class RtmvData(Photographs):
    """RTMV: one JSON file for each image, which lie beside them or in ``images/``."""

    kind: Literal["rtmv"]
    train_images: PositiveInt = 100
    """Images that are trained on, from the first on; those after them are held out."""


DataConfig = Annotated[
    SyntheticData
    | BlenderData
    | TransformsData
    | ColmapData
    | LlffData
    | NsvfData
    | NerfppData
    | RtmvData
    | KittiData
    | VKitti2Data
    | StreetData
    | ObjectsData
    | ObjectViewsData
    | VehiclesData,
    Field(discriminator="kind"),
]
