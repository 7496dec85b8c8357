"""Meshes of fields whose surfaces are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from nsg_cluster.config.schema import ExportConfig
from nsg_cluster.core.errors import ConfigError, TrainingError
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.base import Model
from nsg_cluster.models.build import build_model
from nsg_cluster.outputs.mesh import Mesh, export, extract_mesh, write_mesh
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.training import loop
from tests.training.tiny import tiny

BOX = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.5, 1.0]])
CENTER = torch.tensor([0.1, 0.2, -0.1])


class Ball(Model):
    """A ball of radius a half that is red from above and green from below, and a speck beside it."""

    def render_rays(self, *_: object, **__: object) -> Rendering:  # type: ignore[override]
        raise AssertionError("a mesh needs no rays")

    def probe(self, positions: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        ball = 40 * torch.sigmoid(200 * (0.5 - (positions - CENTER).norm(dim=1)))
        speck = 40 * torch.sigmoid(200 * (0.08 - (positions - torch.tensor([-0.8, 1.2, 0.8])).norm(dim=1)))
        from_above = (directions[:, 2] < 0).float()
        return ball + speck, torch.stack([from_above, 1 - from_above, torch.zeros_like(from_above)], dim=1)


def made(**changes: object) -> Mesh:
    mesh = extract_mesh(Ball(), BOX, ExportConfig.model_validate({"resolution": 64, **changes}))
    assert mesh is not None
    return mesh


def test_the_surface_of_a_ball_is_a_sphere_with_normals_outwards() -> None:
    mesh = made()
    offsets = mesh.vertices - CENTER.numpy()
    radii = np.linalg.norm(offsets, axis=1)
    assert np.abs(radii - 0.5).max() < 0.02
    outwards = (mesh.normals * offsets).sum(1) / radii
    assert outwards.min() > 0.9
    assert outwards.mean() > 0.98
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.05)


def test_colors_are_those_seen_from_outside() -> None:
    mesh = made()
    top, bottom = mesh.normals[:, 2] > 0.1, mesh.normals[:, 2] < -0.1
    assert (mesh.colors[top] == [1, 0, 0]).all()
    assert (mesh.colors[bottom] == [0, 1, 0]).all()


def test_specks_are_left_out_unless_asked_for() -> None:
    one, both = made(), made(keep="all")
    assert len(both.vertices) > len(one.vertices)
    assert len(trimesh.Trimesh(both.vertices, both.faces, process=False).split()) == 2


def test_what_the_box_cuts_is_closed() -> None:
    mesh = extract_mesh(Ball(), torch.tensor([[-1.0] * 3, [0.1, 1.0, 1.0]]), ExportConfig(resolution=48))
    assert mesh is not None
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(2 / 3 * np.pi * 0.5**3, rel=0.08)


@pytest.mark.parametrize("kind", ["ply", "obj", "glb"])
def test_a_written_mesh_reads_back_with_its_colors(tmp_path: Path, kind: str) -> None:
    mesh = made()
    read = trimesh.load_mesh(write_mesh(mesh, tmp_path / "deep" / f"mesh.{kind}"), process=False)
    order = np.lexsort(np.round(read.vertices, 4).T), np.lexsort(np.round(mesh.vertices, 4).T)
    np.testing.assert_allclose(read.vertices[order[0]], mesh.vertices[order[1]], atol=1e-4)
    assert len(read.faces) == len(mesh.faces)
    colors = read.visual.vertex_colors[order[0], :3]
    assert (np.abs(colors / 255.0 - mesh.colors[order[1]]) < 0.01).mean() > 0.99


def test_a_threshold_above_everything_is_refused_with_the_largest_density() -> None:
    with pytest.raises(TrainingError, match=r"nothing is as dense as 100; the largest density is 40"):
        made(threshold=100.0)


def test_a_trained_scene_is_exported(tmp_path: Path) -> None:
    experiment = tiny(train={"steps": 40}, export={"resolution": 24, "threshold": 0.01, "formats": ["ply", "glb"]})
    paths = TaskPaths(tmp_path)
    loop.train(experiment, paths, stop=StopSignal())
    files = export(experiment, paths)
    assert files is not None and [file.name for file in files] == ["mesh.ply", "mesh.glb"]
    assert len(trimesh.load_mesh(files[0]).faces) > 0
    stop = StopSignal()
    stop.requested = "cancel"
    assert export(experiment, paths, stop=stop) is None


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "nerf", "field": {"width": 16, "hidden_layers": 6}, "samples": 4, "fine_samples": 4},
        {"kind": "mipnerf", "field": {"width": 16, "hidden_layers": 2}, "samples": 4},
        {"kind": "mipnerf360", "field": {"width": 16, "hidden_layers": 2}, "proposal_width": 8, "contraction": "none"},
        {"kind": "mipnerf", "field": {"width": 16, "normals": "predicted", "reflections": {}}, "samples": 4},
        {"kind": "mipnerf", "field": {"width": 16, "normals": "density", "reflections": {}}, "samples": 4},
        tiny().model.model_dump(mode="json"),
    ],
    ids=["nerf", "mipnerf", "mipnerf360", "reflections", "reflections at the density's normals", "instant_ngp"],
)
def test_every_model_of_a_scene_at_rest_has_density_and_color_at_points(model: dict[str, object]) -> None:
    experiment = tiny()
    parsed = type(experiment).model_validate({**experiment.model_dump(mode="json", by_alias=True), "model": model})
    built = build_model(parsed.model, load_scene(parsed.data))
    points = torch.rand(7, 3) - 0.5
    density, color = built.probe(points, torch.nn.functional.normalize(torch.rand(7, 3), dim=1))
    assert density.shape == (7,) and bool((density >= 0).all())
    assert color.shape == (7, 3) and bool(((color > -0.01) & (color < 1.01)).all())


def test_a_scene_that_moves_has_no_mesh() -> None:
    experiment = tiny()
    config = {"kind": "nerf", "field": {"width": 16, "hidden_layers": 6}, "time_frequencies": 2}
    parsed = type(experiment).model_validate({**experiment.model_dump(mode="json", by_alias=True), "model": config})
    with pytest.raises(ConfigError, match="depends on time"):
        build_model(parsed.model, load_scene(parsed.data)).probe(torch.zeros(1, 3), torch.eye(3)[:1])
