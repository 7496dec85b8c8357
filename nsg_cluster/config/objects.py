"""``data.kind: objects``: a 3D model that Blender renders into a data set, and from which cameras.

World axes of the data set are x right, y back, z up. A focal length is given in widths of the image, so that it holds
for every image size; angles are in degrees.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nsg_cluster.config.base import Config, Folder, PositiveFloat, PositiveInt
from nsg_cluster.core.files import absolute_path

__all__ = ["NOT_OF_THE_VIEWS", "SHAPENET_FILE", "ObjectCamerasConfig", "ObjectsData", "model_name", "safe_word"]

SHAPENET_FILE = Path("models", "model_normalized.obj")
# Half the field of view of NeRF's synthetic scenes is 19.8 degrees: tan = 0.36.
NERF_FOCAL = 1.3889
# These say how and where to compute, not what.
NOT_OF_THE_VIEWS = {"kind", "out", "device", "threads", "name", "max_faces", "max_train_views"}


class ObjectCamerasConfig(Config):
    """Where the cameras around a model stand. All look at the origin, with z upwards."""

    surface: Literal["sphere", "half_sphere"] = "half_sphere"
    """Training and validation cameras are spread evenly over a sphere, or over its upper half."""
    radius: PositiveFloat = 3.0
    """Distance of the cameras from the origin. The normalized model fits into the ball of radius 1."""
    focal: Annotated[float, Field(ge=0.1, le=100)] = NERF_FOCAL
    """Focal length in widths of the image; 1.3889 is that of NeRF's synthetic scenes (39.6 degrees of view)."""
    elevation_deg: Annotated[float, Field(ge=-89, le=89)] = 30.0
    """Height of the turntable of test cameras above the horizon."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the positions of training and validation cameras."""


class ObjectsData(Config):
    """A 3D model (.obj, .glb, .gltf, .ply, .stl), rendered by Blender before training: train, val and a turntable."""

    kind: Literal["objects"]
    model: Annotated[str, AfterValidator(lambda text: text and str(absolute_path(text)))] = ""
    """The model's file, or the folder of a ShapeNet v2 model, which holds ``models/model_normalized.obj``. Left out
    where ``sweep.models`` names many."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$", max_length=200)] = ""
    """Name of the model in ``out``; by default that of its file or of its ShapeNet folder."""
    out: Folder
    """Folder of the rendered data set; what is there is not rendered again. ``{model}`` stands for the model's name,
    ``{settings}`` for a word that changes with the settings of the views."""
    views: PositiveInt = 50
    """Training images."""
    val_views: PositiveInt = 10
    """Validation images, between the training cameras."""
    test_views: PositiveInt = 40
    """Images of the turntable, in order: one full turn. They are what is evaluated."""
    image_size: Annotated[int, Field(ge=8, le=4096)] = 128
    """Width and height of every image, in pixels."""
    samples: Annotated[int, Field(ge=1, le=65536)] = 32
    """Light paths per pixel: more are less noisy and slower."""
    cameras: ObjectCamerasConfig = ObjectCamerasConfig()
    lights: Literal["studio", "sun", "ambient"] = "studio"
    """``studio``: a sky and two suns; ``sun``: one, with hard contrast; ``ambient``: a white sky alone."""
    normalize: Literal["sphere", "none"] = "sphere"
    """``sphere`` moves the middle of the model to the origin and scales it into the ball of radius 1; ``none`` keeps
    the units and the origin of the file."""
    up: Literal["auto", "y", "z"] = "auto"
    """Axis of the file that points upwards; by default y for .obj, .glb and .gltf, and z for .ply and .stl."""
    depth: bool = True
    """Write the exact depth of every view, as .npy: distance along each pixel's ray, infinite in front of nothing."""
    normals: bool = False
    """Write the normals of every view, as PNG in world axes: color = 0.5 + 0.5 n."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """What Blender renders on; by default a GPU where it finds one."""
    threads: PositiveInt | None = None
    """CPU threads of Blender; by default OMP_NUM_THREADS, or the CPUs that this process may use."""
    max_faces: PositiveInt = 5_000_000
    """Models with more faces are refused before they take all memory; Blender needs about 1 kB for each."""
    max_train_views: PositiveInt | None = None
    """Train on the first so many training images only; all of them by default."""

    @model_validator(mode="after")
    def _outside_the_model(self) -> ObjectsData:
        if self.normalize == "sphere" and self.cameras.radius <= 1.0:
            raise ValueError(
                f"cameras.radius ({self.cameras.radius:g}) must be larger than 1: the normalized model has radius 1"
            )
        return self

    @property
    def folder(self) -> Path:
        """Folder of this model's data set with these settings."""
        settings = json.dumps(self.model_dump(mode="json", exclude=NOT_OF_THE_VIEWS | {"model"}))
        digest = hashlib.sha256(settings.encode()).hexdigest()[:10]
        name = self.name or model_name(Path(self.model))
        return Path(self.out.replace("{model}", name).replace("{settings}", digest))


def model_name(path: Path) -> str:
    """Return a name for a model that is safe in paths: the id of a ShapeNet model, the stem of any other file."""
    if path.parts[-2:] == SHAPENET_FILE.parts:
        return safe_word(path.parents[1].name)
    return safe_word(path.stem if path.suffix else path.name)


def safe_word(text: str) -> str:
    """Return a text with every character that a name may not hold replaced."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-_")[:80] or "model"
