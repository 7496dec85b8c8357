"""What was rendered from a model is read back: rays, depth and box fit the mesh; what is not finished is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from nsg_cluster.config.lone_objects import ObjectViewsData
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.geometry.boxes import world_to_box
from nsg_cluster.geometry.cameras import image_rays
from nsg_cluster.ops.boxes import box_hits
from tests.objects.shapes import blender_or_skip, render, settings

FOCAL_PX = 1.3889 * 48


@pytest.fixture(scope="module")
def bunny(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ObjectsData:
    """The bunny, rendered."""
    model = data_root / "obj_meshes" / "bunny.obj"
    if not model.is_file():
        pytest.skip(f"no {model}")
    blender_or_skip()
    data = settings(model, tmp_path_factory.mktemp("bunny") / "out", image_size=48)
    render(data)
    return data


@pytest.fixture(scope="module")
def scene(bunny: ObjectsData) -> Scene:
    return load_scene(bunny)


def mesh_of(data: ObjectsData) -> Any:
    """Return the model's mesh, as another program reads it, in world coordinates."""
    mesh = trimesh.load(data.model, force="mesh", process=False)
    mesh.apply_transform(np.array(json.loads(ObjectPaths(data.folder).record.read_text())["object_to_world"]))
    return mesh


def first_hits(mesh: Any, views: Views, index: int) -> np.ndarray:
    """Return the distance to the mesh along each ray of a view by trimesh's ray test, infinite in front of nothing."""
    rays = image_rays(views.cameras, index)
    points, hit, _ = mesh.ray.intersects_location(
        rays.origins.double().numpy(), rays.directions.double().numpy(), multiple_hits=False
    )
    distance = np.full(48 * 48, np.inf)
    distance[hit] = np.linalg.norm(points - rays.origins.double().numpy()[hit], axis=1)
    return distance.reshape(48, 48)


def test_rays_through_rendered_depth_end_on_the_mesh_within_a_pixels_footprint(
    bunny: ObjectsData, scene: Scene
) -> None:
    mesh = mesh_of(bunny)
    for views, index in ((scene.train, 0), (scene.train, 1), (scene.test, 2)):
        assert views.depth is not None
        depth, expected = views.depth[index].numpy().astype(np.float64), first_hits(mesh, views, index)
        both = np.isfinite(depth) & np.isfinite(expected)
        assert both.sum() > 300
        # At the very edge rounding decides whether a ray hits.
        assert (np.isfinite(depth) != np.isfinite(expected)).sum() <= 2
        apart = np.abs(depth[both] - expected[both])
        assert np.quantile(apart, 0.995) < 1e-4
        assert (apart < depth[both] / FOCAL_PX).mean() > 0.995


def test_the_picture_covers_the_same_pixels_as_the_mesh(bunny: ObjectsData, scene: Scene) -> None:
    expected = np.isfinite(first_hits(mesh_of(bunny), scene.test, 1))
    alpha = scene.test.images[1, ..., 3].numpy() / 255.0
    assert alpha[expected].mean() > 0.95
    # A pixel that is mostly covered has its center covered, but for some along the outline.
    assert ((alpha > 0.5) != expected).sum() < 0.1 * expected.sum()


def test_the_box_and_the_distances_hold_the_whole_model(bunny: ObjectsData, scene: Scene) -> None:
    vertices = torch.from_numpy(mesh_of(bunny).vertices).float()
    assert bool((vertices > scene.box[0]).all())
    assert bool((vertices < scene.box[1]).all())
    assert float(vertices.norm(dim=1).max()) == pytest.approx(1.0, abs=1e-4)
    for views in (scene.train, scene.test):
        assert views.depth is not None
        seen = views.depth[views.depth.isfinite()]
        assert scene.near < float(seen.min())
        assert float(seen.max()) < scene.far


def test_the_turntable_is_held_out_in_order_and_training_views_can_be_fewer(bunny: ObjectsData, scene: Scene) -> None:
    assert scene.test.names == tuple(f"r_{index:03d}" for index in range(4))
    assert float(scene.test.cameras.focal_px[0, 0]) == pytest.approx(FOCAL_PX, rel=1e-5)
    fewer = load_scene(bunny.model_copy(update={"max_train_views": 1}))
    assert len(fewer.train) == 1
    assert torch.equal(fewer.train.images[0], scene.train.images[0])


def test_views_that_are_not_rendered_are_refused_with_what_renders_them(tmp_path: Path) -> None:
    data = settings(tmp_path / "a.obj", tmp_path / "out")
    with pytest.raises(DataError, match=r"a\.obj are not rendered yet, or not all: 'launch\.py data render-objects"):
        load_scene(data)
    data.folder.mkdir()
    ObjectPaths(data.folder).record.write_text('{"complete": false}')
    with pytest.raises(DataError, match="not rendered yet"):
        load_scene(data)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\1\0", b"no array"])
def test_a_broken_depth_is_refused(bunny: ObjectsData, content: bytes) -> None:
    file = ObjectPaths(bunny.folder).depth("test", 3)
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        with pytest.raises(DataError, match=r"r_003_depth\.npy: cannot be read"):
            load_scene(bunny)
    finally:
        file.write_bytes(before)


def test_rendered_models_are_seen_alone_in_boxes_that_hold_them(bunny: ObjectsData, scene: Scene) -> None:
    folder = bunny.folder.parent
    found = load_scene(ObjectViewsData(kind="object_views", root=str(folder), length=4.0, seed=3))
    assert found.tracks is not None and len(found.train) == len(scene.train) and not found.has_background
    assert float(found.tracks.sizes.max()) == pytest.approx(4.0)
    maps = world_to_box(found.tracks.object_to_world, found.tracks.placed_sizes * 1.001)
    for view in range(len(found.train)):
        rays = image_rays(found.train.cameras, view)
        first = torch.zeros(len(rays), dtype=torch.long)
        *_, offsets = box_hits(rays.origins, rays.directions, first, maps, torch.tensor([[0]]))
        opaque = found.train.images[view, ..., 3].flatten() == 255
        assert not (opaque & (offsets.diff() == 0)).any()
    lengths = {
        axis: load_scene(ObjectViewsData(kind="object_views", root=str(folder), forward=axis)).tracks.sizes[0]  # type: ignore[union-attr]
        for axis in ("x", "y", "-x")
    }
    torch.testing.assert_close(lengths["x"], lengths["y"][[2, 1, 0]])
    torch.testing.assert_close(lengths["x"], lengths["-x"])
