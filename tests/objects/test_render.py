"""Models are rendered as they are: geometry, colors, materials, formats; and never twice. Needs Blender."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import trimesh

from nsg_cluster.core.errors import DataError, MachineError
from nsg_cluster.core.paths import ObjectPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.objects.program import Blender
from nsg_cluster.objects.render import render_model
from tests.objects.shapes import COLORS, HALF, box_mtl, box_obj, render, settings, write_box

pytestmark = pytest.mark.usefixtures("blender")

Floats = npt.NDArray[np.float64]
FEW: dict[str, Any] = {"views": 1, "val_views": 1}


def picture(folder: Path, index: int = 0, split: str = "test") -> Floats:
    return np.asarray(PIL.Image.open(ObjectPaths(folder).image(split, index)), dtype=np.float64) / 255.0


def depth(folder: Path, index: int = 0, split: str = "test") -> Floats:
    found: Floats = np.load(ObjectPaths(folder).depth(split, index)).astype(np.float64)
    return found


def points(folder: Path, index: int = 0) -> Floats:
    """Return the points that the depth of a view stands for, in the axes of the model's file."""
    document = json.loads(ObjectPaths(folder).transforms("test").read_text())
    pose = np.array(document["frames"][index]["transform_matrix"])
    distance = depth(folder, index)
    rows, columns = np.nonzero(np.isfinite(distance))
    x, y = (columns + 0.5 - document["cx"]) / document["fl_x"], -(rows + 0.5 - document["cy"]) / document["fl_y"]
    directions = np.stack([x, y, -np.ones_like(x)], axis=-1) @ pose[:3, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    world = pose[:3, 3] + directions * distance[rows, columns][:, None]
    matrix = np.linalg.inv(np.array(json.loads(ObjectPaths(folder).record.read_text())["object_to_world"]))
    found: Floats = world @ matrix[:3, :3].T + matrix[:3, 3]
    return found


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, blender: Blender) -> Path:
    """The box under a white sky, seen from the front, the right, the back and the left."""
    folder = tmp_path_factory.mktemp("box")
    data = settings(write_box(folder / "model"), folder / "out", lights="ambient", normals=True, **FEW)
    assert render(data).rendered == 6
    return folder / "out"


def test_points_at_the_depth_of_every_pixel_lie_on_the_sides_of_the_box(box: Path) -> None:
    for index in range(4):
        found = np.abs(points(box, index)) / np.array(HALF)
        assert len(found) > 100
        np.testing.assert_allclose(found.max(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(("index", "side"), list(enumerate(["front", "right", "back", "left"])))
def test_each_camera_sees_the_side_that_its_pose_says_in_the_color_of_the_material(
    box: Path, index: int, side: str
) -> None:
    image, found = picture(box, index), np.abs(points(box, index)) / np.array(HALF)
    rows, columns = np.nonzero(np.isfinite(depth(box, index)))
    for name, axis in ((side, 0 if side in {"right", "left"} else 2), ("top", 1)):
        # Well within the side, where no other color is mixed in.
        inside = (found[:, axis] > 0.999) & (np.delete(found, axis, axis=1).max(axis=1) < 0.8)
        assert inside.any()
        colors = image[rows[inside], columns[inside]]
        # Under a sky of strength 1 a dull convex body shows its own color.
        np.testing.assert_allclose(colors, [(*COLORS[name], 1.0)] * len(colors), atol=0.05)


def test_alpha_and_depth_have_the_same_outline(box: Path) -> None:
    for index in range(4):
        alpha, hit = picture(box, index)[..., 3], np.isfinite(depth(box, index))
        # Alpha is the covered part of a pixel, depth that of its center.
        assert abs(alpha.sum() - hit.sum()) < 0.03 * hit.sum()
        for axis in (0, 1):
            place = np.arange(32) + 0.5
            centers = [(mask.sum(axis=axis) @ place) / mask.sum() for mask in (alpha, hit)]
            assert abs(centers[0] - centers[1]) < 0.1, "outlines apart by more than a tenth of a pixel"
        assert set(np.unique(alpha[~hit & (alpha > 0.9)])) == set()


def test_normals_are_those_of_the_sides_in_world_axes(box: Path) -> None:
    image = np.asarray(PIL.Image.open(ObjectPaths(box).normal("test", 0)), dtype=np.float64) / 255.0
    seen = {tuple(row) for row in np.rint(2.0 * image[image[..., 3] > 0][:, :3] - 1.0).astype(int).tolist()}
    assert seen == {(0, -1, 0), (0, 0, 1)}, "the front looks to -y, the top to +z"


@pytest.mark.parametrize("unit", [1e-6, 1e5])
def test_huge_and_tiny_units_and_flipped_faces_look_the_same(tmp_path: Path, box: Path, unit: float) -> None:
    model = write_box(tmp_path, unit=unit, flipped=True)
    data = settings(model, tmp_path / "out", lights="ambient", test_views=1, **FEW)
    render(data)
    np.testing.assert_allclose(depth(tmp_path / "out"), depth(box), rtol=1e-4)
    assert np.abs(picture(tmp_path / "out") - picture(box)).mean() < 0.01


def test_what_is_finished_is_not_rendered_again_and_what_is_missing_is(tmp_path: Path, box: Path) -> None:
    data = settings(box.parent / "model" / "box.obj", box, lights="ambient", normals=True, **FEW)
    before = {file: file.stat().st_mtime_ns for file in box.rglob("r_*")}
    assert render(data).rendered == 0
    lost = ObjectPaths(box).image("test", 2)
    content = lost.read_bytes()
    lost.unlink()
    assert render(data).rendered == 1
    assert lost.read_bytes() == content, "the same settings give the same picture"
    changed = {file for file, time in before.items() if file.stat().st_mtime_ns != time}
    assert {file.name for file in changed} == {"r_002.png", "r_002_depth.npy", "r_002_normal.png"}


def test_a_stop_keeps_finished_views_and_the_next_call_goes_on(tmp_path: Path) -> None:
    data, stop = settings(write_box(tmp_path), tmp_path / "out", depth=False, **FEW), StopSignal()

    def stop_after_two(done: int, _views: int) -> None:
        if done == 2:
            stop.request("cancel")

    assert render_model(data, data.folder, stop=stop, report=stop_after_two) is None
    assert not ObjectPaths(data.folder).transforms("train").exists()
    kept = len(list(data.folder.rglob("r_*.png")))
    assert 2 <= kept < 6
    record = json.loads(ObjectPaths(data.folder).record.read_text())
    ObjectPaths(data.folder).record.write_text(json.dumps(record | {"blender": "4.2.0"}))
    result = render(data)
    assert result.rendered == 6 - kept
    (note,) = result.notes
    assert note.startswith(f"{kept} views are of Blender 4.2.0, the others of {record['blender']}: ")
    assert ObjectPaths(data.folder).transforms("train").exists()


@pytest.fixture(scope="module")
def bare_box(tmp_path_factory: pytest.TempPathFactory, blender: Blender) -> Path:
    """The box without materials, from its .obj."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "box.obj").write_text(box_obj(library=None))
    render(settings(folder / "box.obj", folder / "out", test_views=1, **FEW))
    return folder / "out"


@pytest.mark.parametrize("kind", ["glb", "gltf", "ply", "stl"])
def test_every_format_gives_the_same_views(tmp_path: Path, bare_box: Path, kind: str) -> None:
    mesh = trimesh.load(bare_box.parent / "box.obj", force="mesh", process=False)
    if kind == "gltf":
        for name, content in trimesh.exchange.gltf.export_gltf(trimesh.Scene(mesh)).items():
            (tmp_path / name.replace("model", "box")).write_bytes(content)
    else:
        mesh.export(tmp_path / f"box.{kind}")
    # These two have no upward axis of their own.
    up = {"up": "y"} if kind in {"ply", "stl"} else {}
    before = set(tmp_path.iterdir())
    render(settings(tmp_path / f"box.{kind}", tmp_path / "out", test_views=1, **up, **FEW))
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}, "nothing is written beside the model"
    np.testing.assert_allclose(depth(tmp_path / "out"), depth(bare_box), rtol=1e-5)
    if kind in {"ply", "stl"}:  # glTF brings a material of its own
        assert np.abs(picture(tmp_path / "out") - picture(bare_box)).mean() < 0.01


def test_textures_are_found_and_lost_or_broken_ones_told(tmp_path: Path) -> None:
    (tmp_path / "Textures").mkdir()
    PIL.Image.new("RGB", (4, 4), (255, 128, 0)).save(tmp_path / "Textures" / "orange wood.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    mtl = box_mtl()
    for side, texture in (("front", r"textures\ORANGE wood.png"), ("top", "broken.png"), ("back", "lost.png")):
        mtl = mtl.replace(f"newmtl {side}\n", f"newmtl {side}\nmap_Kd {texture}\n")
    corners = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    text = (
        box_obj(library="BOX.MTL")
        .replace("f 5 6 8 7", "f 5/1 6/2 8/3 7/4")
        .replace("usemtl right", corners + "usemtl right")
    )
    (tmp_path / "box.obj").write_text(text)
    (tmp_path / "box.mtl").write_text(mtl)
    result = render(settings(tmp_path / "box.obj", tmp_path / "out", lights="ambient", test_views=1, **FEW))
    assert any("'lost.png' of material 'back' is missing" in note for note in result.notes)
    assert "the texture 'broken.png' cannot be read by Blender: the material's plain color is used" in result.notes
    image, found = picture(tmp_path / "out"), np.abs(points(tmp_path / "out")) / np.array(HALF)
    rows, columns = np.nonzero(np.isfinite(depth(tmp_path / "out")))
    front = (found[:, 2] > 0.999) & (found[:, :2].max(axis=1) < 0.8)
    np.testing.assert_allclose(image[rows[front], columns[front]].mean(axis=0), [1.0, 0.5, 0.0, 1.0], atol=0.05)
    top = (found[:, 1] > 0.999) & (found[:, [0, 2]].max(axis=1) < 0.8)
    np.testing.assert_allclose(image[rows[top], columns[top]].mean(axis=0), [0.0, 1.0, 0.0, 1.0], atol=0.05)
    PIL.Image.new("RGB", (4, 4), (0, 0, 255)).save(tmp_path / "lost.png")
    data = settings(tmp_path / "box.obj", tmp_path / "out", lights="ambient", test_views=1, **FEW)
    with pytest.raises(
        DataError, match=r"holds views of an older state of this model: 'lost\.png' was not there; name"
    ):
        render(data)
    assert not any("lost" in note for note in render(data, again=True).notes)


def test_faces_of_many_corners_and_colors_of_vertices_are_shown(tmp_path: Path) -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 7, endpoint=False)
    rim = "".join(f"v {np.cos(a):.6f} {np.sin(a):.6f} 0 1 0 0\n" for a in angles)
    (tmp_path / "seven.obj").write_text(rim + "f 1 2 3 4 5 6 7\n")
    data = settings(tmp_path / "seven.obj", tmp_path / "out", lights="ambient", cameras={"elevation_deg": 0.0}, **FEW)
    render(data)
    scale = json.loads(ObjectPaths(tmp_path / "out").record.read_text())["object_to_world"][0][0]
    area = np.isfinite(depth(tmp_path / "out")).sum() * (3.0 / (1.3889 * 32) / scale) ** 2
    assert area == pytest.approx(3.5 * np.sin(2.0 * np.pi / 7.0), rel=0.05), "the area of a regular heptagon"
    middle = picture(tmp_path / "out")[16, 16]
    assert middle[0] > 0.9
    assert middle[1:3].max() < 0.1


def test_a_model_that_no_camera_sees_is_told_and_a_texture_that_blender_takes_for_a_film(tmp_path: Path) -> None:
    model = write_box(tmp_path)
    (tmp_path / "box.mtl").write_text(box_mtl().replace("Ks 0 0 0", "d 0\nmap_Kd wood.gif"))
    PIL.Image.new("P", (4, 4)).save(tmp_path / "wood.gif")
    texture, unseen = render(settings(model, tmp_path / "out", test_views=1, **FEW)).notes
    assert texture == "the texture 'wood.gif' cannot be read by Blender: the material's plain color is used"
    assert unseen.startswith("no view shows anything")


def test_a_model_without_any_surface_is_a_sentence(tmp_path: Path) -> None:
    trimesh.PointCloud([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]).export(tmp_path / "points.ply")
    with pytest.raises(DataError, match=r"points\.ply: it has no faces"):
        render(settings(tmp_path / "points.ply", tmp_path / "out", **FEW))
    (tmp_path / "needle.obj").write_text("v 0.1 0 0\nv 1 1 1\nv 2.3 2.4444444 2.4444444\nf 1 2 3\n")
    with pytest.raises(DataError, match=r"needle\.obj: its faces have no area"):
        render(settings(tmp_path / "needle.obj", tmp_path / "out", **FEW))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\n", "No end_header"),
        (
            "huge.ply",
            f"ply\nformat ascii 1.0\nelement vertex {'9' * 30}\nend_header\n",
            "Blender failed (ended by SIGABRT)",
        ),
        ("words.stl", "solid x\n", "Failed to read file 'this file'"),
        (
            "ring.gltf",
            '{"asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}],'
            ' "nodes": [{"children": [1]}, {"children": [0]}]}',
            "cannot read it: RecursionError: maximum recursion depth exceeded",
        ),
    ],
)
def test_a_file_that_blender_cannot_read_is_told_and_leaves_nothing(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises((DataError, MachineError)) as caught:
        render(settings(tmp_path / name, tmp_path / "out", **FEW))
    assert str(caught.value).startswith(f"{tmp_path / name}: Blender ")
    assert words in str(caught.value).splitlines()[0]
    assert not (tmp_path / "out").exists()
