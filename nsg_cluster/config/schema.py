"""The experiment as frozen pydantic models: what a YAML file may say, with units and limits.

Every field has a description: it is the text that editors show from the generated JSON Schema, and the reference a
user reads. Lengths are in scene units, times in seconds unless the name says otherwise, angles in degrees.
A model holds plain data only; what the numbers mean is told where they are used.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nsg_cluster.config.base import Config, Folder, PositiveInt
from nsg_cluster.config.container import ContainerConfig
from nsg_cluster.config.data import BlenderData, DataConfig, LlffData, ObjectsData, SyntheticData
from nsg_cluster.config.graph import NerfConfig, SceneGraphConfig
from nsg_cluster.config.lone_objects import LoneObjectsData
from nsg_cluster.config.mip import MipNerf360Config, MipNerfConfig
from nsg_cluster.config.model import (
    HashGridConfig,
    InstantNgpConfig,
    OccupancyConfig,
    PosesConfig,
    ProposalConfig,
)
from nsg_cluster.config.render import RenderConfig
from nsg_cluster.config.training import (
    Background,
    DeadStart,
    LossConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
)
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.units import parse_duration, parse_memory

__all__ = [
    "Background",
    "BlenderData",
    "Config",
    "ContainerConfig",
    "DataConfig",
    "DeadStart",
    "EvaluateConfig",
    "Experiment",
    "ExportConfig",
    "HashGridConfig",
    "InstantNgpConfig",
    "LossConfig",
    "MipNerf360Config",
    "MipNerfConfig",
    "ModelConfig",
    "NerfConfig",
    "ObjectsData",
    "OccupancyConfig",
    "OptimizerConfig",
    "PosesConfig",
    "ProposalConfig",
    "RenderConfig",
    "ResourcesConfig",
    "SceneGraphConfig",
    "ScheduleConfig",
    "ScratchConfig",
    "SweepConfig",
    "SyntheticData",
    "TrainConfig",
]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"


def _duration(value: Any) -> Any:
    """Check a duration; what is neither a text nor a number is left to the check of the type.

    Raises:
        ValueError: It is no duration, or a number without a unit.
    """
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        try:
            parse_duration(str(value))
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return value


def _memory(text: str) -> str:
    """Check that a text is an amount of memory.

    Raises:
        ValueError: It is not.
    """
    try:
        parse_memory(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


ModelConfig = Annotated[
    InstantNgpConfig | MipNerfConfig | MipNerf360Config | NerfConfig | SceneGraphConfig, Field(discriminator="kind")
]
Duration = Annotated[str, BeforeValidator(_duration)]
Memory = Annotated[str, AfterValidator(_memory)]
# What stands in one option of a scheduler: it begins no other, and is one word.
WORD = r"^[A-Za-z0-9_][A-Za-z0-9_./+@:-]*$"
Word = Annotated[str, Field(pattern=WORD)]


Stage = Literal["prepare", "train", "evaluate", "render"]


class EvaluateConfig(Config):
    """Metrics on the held-out views."""

    background: Literal["white", "black"] = "white"
    """Color behind transparent pixels, in the truth and in the rendering."""
    max_views: PositiveInt | None = None
    """Evaluate only so many views, evenly chosen; all of them by default."""
    pictures: bool = True
    """Write the pictures and the depth of each view; false for the numbers alone."""
    chunk: Annotated[int, Field(ge=64)] = 8192
    """Rays rendered at once."""
    transmittance_threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """A ray ends where less than this fraction of its light is left."""
    depth: Literal["expected", "median"] = "expected"
    """What depth pictures and files hold, also those of ``render``: the mean distance at which light is stopped, or the
    distance in front of which half of it is, which lies on a surface where the mean lies between two."""
    normals: bool = False
    """Write pictures of normals as well, and measure them where the truth is known."""
    materials: bool = False
    """Write pictures of what surfaces are made of as well, with ``model.field.reflections``: their diffuse color, the
    color that they reflect, and their roughness r as a gray of r / (1 + r)."""


class ScratchConfig(Config):
    """Use of the node's own disk, which the site's ``scratch`` names: many small files are read and written faster."""

    data: bool = False
    """Copy ``data.root`` there before a task starts; it is read from there."""
    only: tuple[Annotated[str, Field(min_length=1, pattern=r"^[^/]")], ...] = ()
    """Of ``data.root`` copy only what fits these patterns, such as ``training/*/0006*``; everything by default."""
    results: bool = False
    """Write pictures, videos and curves there; they are copied back when a task ends, however it ends, and when its
    time is nearly up. Checkpoints and logs are always written to the run's folder."""

    @model_validator(mode="after")
    def _patterns_have_data(self) -> ScratchConfig:
        if self.only and not self.data:
            raise ValueError("only: says which of the data is copied; write data: true as well")
        if any(".." in pattern.split("/") for pattern in self.only):
            raise ValueError("only: a pattern cannot lead out of data.root")
        return self


class ExportConfig(Config):
    """A mesh of the scene, made by ``python launch.py export``."""

    formats: tuple[Literal["ply", "obj", "glb"], ...] = ("ply",)
    """What is written; each has colors at its vertices."""
    resolution: Annotated[int, Field(ge=8, le=2048)] = 256
    """Points of the grid along each side of the scene box (N_grid)."""
    threshold: Annotated[float, Field(gt=0)] = 20.0
    """Density, per scene unit, at which the surface lies (sigma_threshold)."""
    keep: Literal["largest", "all"] = "largest"
    """The largest connected part alone, or what floats around it as well."""


class ResourcesConfig(Config):
    """What each task needs from the machine it runs on."""

    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    """GPUs of a task; by default those that the machine has; on a cluster one for each of ``train.processes`` where
    these are several, or one where a site sells pieces of nodes."""
    cpus: PositiveInt | None = None
    """CPU cores of a task, and its threads; by default those of the site's piece, or the machine's."""
    memory: Memory | None = None
    """Memory of a task such as ``64GiB``; by default that of the site's piece, or the machine's."""
    resource_type: Word | None = None
    """Piece of a node that a site sells, such as ``rt_HG``; by default the cheapest that is large enough."""
    walltime: Duration | None = None
    """Time limit such as ``2h``, ``90m`` or ``1:30:00``; at the limit a task writes a checkpoint and is continued."""
    continuations: Annotated[int, Field(ge=0)] | None = None
    """How often a task is continued after its time limit; without limit by default, as long as it gets further."""
    max_parallel: PositiveInt | None = None
    """Tasks of a sweep that may run at the same time; by default one on this machine, on a cluster as many as it
    runs."""
    scratch: ScratchConfig = ScratchConfig()


class SweepConfig(Config):
    """Several experiments from one file: exactly one of ``grid``, ``zip``, ``list`` and ``models``."""

    grid: dict[str, list[Any]] | None = None
    """Dotted keys with lists of values: every combination, the last key fastest."""
    zipped: Annotated[dict[str, list[Any]] | None, Field(alias="zip")] = None
    """Dotted keys with lists of equal length: the first values together, then the second, …"""
    listed: Annotated[list[dict[str, Any]] | None, Field(alias="list")] = None
    """A list of mappings of dotted keys to values."""
    models: Folder | None = None
    """3D models, one experiment for each as its ``data.model``: a folder, a ShapeNet category, or a file that lists
    them, one a line."""

    @model_validator(mode="after")
    def _exactly_one(self) -> SweepConfig:
        forms = {"grid": self.grid, "zip": self.zipped, "list": self.listed, "models": self.models}
        given = [key for key, value in forms.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of grid, zip, list and models (found {', '.join(given) or 'none'})")
        return self


class Experiment(Config):
    """What to compute."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
    """Name of the run folder: letters, digits, ``-``, ``_`` and single dots inside, at most 64 characters."""
    description: str = ""
    """A sentence for the report."""
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    """Seed of initial weights, ray choice and jitter."""
    stages: tuple[Stage, ...] = ("prepare", "train", "evaluate", "render")
    """What a task does, in this order. ``prepare`` renders 3D models and does nothing for other data."""
    data: DataConfig
    model: ModelConfig
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    render: RenderConfig = RenderConfig()
    export: ExportConfig = ExportConfig()
    resources: ResourcesConfig = ResourcesConfig()
    container: ContainerConfig = ContainerConfig()
    sweep: SweepConfig | None = None

    @model_validator(mode="after")
    def _learns_one_start(self) -> Experiment:
        graph = self.model if isinstance(self.model, SceneGraphConfig) else None
        is_alone, is_one = isinstance(self.data, LoneObjectsData), graph is not None and graph.objects.share == "all"
        if (self.train.reptile is not None) == is_alone == is_one:
            return self
        raise ValueError(
            "train.reptile, model.objects.share 'all' of a scene_graph, and data.kind 'vehicles' or 'object_views' go "
            "together: a start is learned with all three, everything else with none of them"
        )

    @model_validator(mode="after")
    def _names_a_model(self) -> Experiment:
        if isinstance(self.data, ObjectsData) and not self.data.model and self.sweep is None:
            raise ValueError("data.model is missing: name the file of a 3D model, or name many with sweep.models")
        return self

    @model_validator(mode="after")
    def _has_a_gpu_for_each_process(self) -> Experiment:
        gpus, processes = self.resources.gpus, self.train.processes
        if gpus and gpus < processes and self.train.device != "cpu":
            raise ValueError(
                f"train.processes: {processes} processes need a GPU each, and resources.gpus is {gpus}; set it to "
                f"{processes}, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _has_the_normals_asked_for(self) -> Experiment:
        asked = [key for key in ("evaluate", "render") if getattr(self, key).normals]
        if asked and (why := self.why_no_normals()):
            raise ValueError(f"{asked[0]}.normals: {why}; leave it out")
        return self

    @model_validator(mode="after")
    def _has_the_materials_asked_for(self) -> Experiment:
        reflects = isinstance(self.model, MipNerfConfig | MipNerf360Config) and self.model.field.reflections is not None
        if self.evaluate.materials and not reflects:
            raise ValueError(
                "evaluate.materials: only mipnerf and mipnerf360 with model.field.reflections have them; leave it out"
            )
        return self

    def why_no_normals(self) -> str | None:
        """Return why the scene has no normals; None where it has."""
        if isinstance(self.data, LlffData) and self.data.space == "ndc":
            return "data.space 'ndc' bends space, and normals with it"
        if isinstance(self.model, SceneGraphConfig):
            return "a scene graph has none"
        if isinstance(self.model, NerfConfig) and self.model.time_frequencies is not None:
            return "a model that depends on time (model.time_frequencies) has none"
        return None
