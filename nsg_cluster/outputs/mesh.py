"""A colored triangle mesh of a trained scene: marching cubes over its density, colors of the surface seen head-on.

Lorensen and Cline, "Marching Cubes" (1987), in the variant of Lewiner et al. that scikit-image has.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.config.schema import Experiment, ExportConfig
from nsg_cluster.core.errors import TrainingError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.base import Model
from nsg_cluster.outputs.countdown import Countdown
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.device import prepare_device

__all__ = ["Mesh", "export", "extract_mesh", "write_mesh"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Triangles in world coordinates."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    """Indices of vertices, counterclockwise when seen from outside."""
    normals: Float[np.ndarray, "vertices 3"]
    """Unit vectors away from the matter."""
    colors: Float[np.ndarray, "vertices 3"]
    """From 0 to 1."""


def export(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal | None = None) -> list[Path] | None:
    """Write the mesh of a task's newest checkpoint in the formats that its experiment names.

    Returns:
        The files, or None if it was stopped.

    Raises:
        CheckpointError: There is no good checkpoint, or it belongs to another experiment.
        ConfigError: The model has no density that does not depend on the moment.
        DataError: The data cannot be read.
        TrainingError: Nothing is as dense as the threshold.
    """
    config = experiment.export
    device = prepare_device(experiment.train)
    scene = load_scene(experiment.data)
    model, _ = load_model(experiment, paths, scene)
    model.to(device)
    countdown = Countdown(paths, "export", config.resolution, config.resolution**2)
    mesh = extract_mesh(model, scene.box.to(device), config, countdown=countdown, stop=stop)
    if mesh is None:
        return None
    log.info("mesh of %d vertices and %d triangles", len(mesh.vertices), len(mesh.faces))
    return [write_mesh(mesh, paths.exports / f"mesh.{kind}") for kind in config.formats]


@torch.no_grad()
def extract_mesh(
    model: Model,
    box: Float[Tensor, "2 3"],
    config: ExportConfig,
    *,
    countdown: Countdown | None = None,
    stop: StopSignal | None = None,
) -> Mesh | None:
    """Return the surface at which the density passes a threshold; None if it was stopped.

    Args:
        model: What is asked for density and color.
        box: Lower and upper corner of where it is asked.
        config: Resolution, threshold, what is kept.
        countdown: Told how many layers are done.
        stop: Looked at before each layer.

    Raises:
        ConfigError: The model has no density that does not depend on the moment.
        TrainingError: Nothing is as dense as the threshold.
    """
    from skimage.measure import marching_cubes

    density = _sampled(model, box, config.resolution, countdown, stop)
    if density is None:
        return None
    if density.max() <= config.threshold:
        raise TrainingError(
            f"export.threshold: nothing is as dense as {config.threshold:g}; the largest density is {density.max():g}"
        )
    # An empty layer around everything closes the surface where the box cuts it.
    padded = np.pad(density, 1)
    vertices, faces, _, _ = marching_cubes(padded, config.threshold, gradient_direction="ascent")
    low, high = box.cpu().double().numpy()
    vertices = low + (vertices - 1) / (config.resolution - 1) * (high - low)
    if config.keep == "largest":
        vertices, faces = _largest(vertices, faces)
    normals = _normals(vertices, faces)
    # Seen against its normal; density and color come from just inside of the surface.
    colors = _probed(model, vertices, -normals, box)
    return Mesh(vertices=vertices, faces=faces.astype(np.int64), normals=normals, colors=colors)


def write_mesh(mesh: Mesh, path: Path) -> Path:
    """Write a mesh as PLY, OBJ or GLB, by the ending of the path, and return the path."""
    import trimesh

    made = trimesh.Trimesh(
        vertices=mesh.vertices,
        faces=mesh.faces,
        vertex_normals=mesh.normals,
        vertex_colors=np.rint(mesh.colors * 255).astype(np.uint8),
        process=False,
    )
    content = made.export(file_type=path.suffix[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    return path


def _sampled(
    model: Model,
    box: Float[Tensor, "2 3"],
    resolution: int,
    countdown: Countdown | None,
    stop: StopSignal | None,
) -> Float[np.ndarray, "x y z"] | None:
    """Return the density at the points of a grid that fills the box, layer by layer; None if it was stopped."""
    axes = [torch.linspace(float(low), float(high), resolution, device=box.device) for low, high in box.T]
    layers = []
    for index, x in enumerate(axes[0]):
        if stop is not None and stop.requested:
            return None
        y, z = torch.meshgrid(axes[1], axes[2], indexing="ij")
        points = torch.stack([x.expand_as(y), y, z], dim=-1).view(-1, 3)
        seen = torch.tensor([[0.0, 0.0, 1.0]], device=box.device).expand_as(points)
        layers.append(model.probe(points, seen)[0].view(resolution, resolution).cpu().numpy())
        if countdown is not None:
            countdown.done(index + 1)
    return np.stack(layers)


def _probed(
    model: Model,
    vertices: Float[np.ndarray, "vertices 3"],
    directions: Float[np.ndarray, "vertices 3"],
    box: Float[Tensor, "2 3"],
    chunk: int = 1 << 16,
) -> Float[np.ndarray, "vertices 3"]:
    """Return colors at points seen along directions."""
    colors = []
    for first in range(0, len(vertices), chunk):
        points, seen = (torch.from_numpy(values[first : first + chunk]).to(box) for values in (vertices, directions))
        colors.append(model.probe(points, seen)[1].clamp(0, 1).cpu().double().numpy())
    return np.concatenate(colors)


def _largest(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Float[np.ndarray, "kept 3"], Int[np.ndarray, "kept_faces 3"]]:
    """Return the connected part with the most triangles."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges), dtype=bool), edges.T), shape=(len(vertices),) * 2)
    _, part = connected_components(graph, directed=False)
    kept = part == np.bincount(part[faces[:, 0]]).argmax()
    number = np.cumsum(kept) - 1
    return vertices[kept], number[faces[kept[faces[:, 0]]]]


def _normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Return the mean normal of the triangles around each vertex, by their areas."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], across)
    unit: np.ndarray = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
    return unit
