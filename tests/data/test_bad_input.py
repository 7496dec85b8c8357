"""Everything that can be wrong with a folder of photographs, tried with each format: one sentence, file and fix."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pydantic import TypeAdapter, ValidationError

from nsg_cluster.config.data import DataConfig
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.photographs.blender import write_blender
from nsg_cluster.data.scene import Scene
from tests.data import layouts

Matrix = np.ndarray
CONFIG: TypeAdapter[Any] = TypeAdapter(DataConfig)
WRITERS: dict[str, Callable[[Scene, Path], Any]] = {
    "blender": write_blender,
    "transforms": layouts.write_transforms,
    "colmap": layouts.write_colmap,
    "llff": layouts.write_llff,
    "nsvf": layouts.write_nsvf,
    "nerfpp": layouts.write_nerfpp,
    "rtmv": layouts.write_rtmv,
}
SETTINGS: dict[str, dict[str, Any]] = {"blender": {"test_split": "test"}, "rtmv": {"train_images": 6}}
# The file without which a format cannot be read, and where it tells the pose of the second image.
LISTS = {
    "blender": "transforms_train.json",
    "transforms": "transforms.json",
    "colmap": "sparse/0/images.bin",
    "llff": "poses_bounds.npy",
    "nsvf": "bbox.txt",
    "nerfpp": "train/pose/000001.txt",
    "rtmv": "00001.json",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The toy box in each layout that can be written here."""
    scene, folders = layouts.toybox(), {}
    for kind, write in WRITERS.items():
        folder = tmp_path_factory.mktemp(kind)
        if kind == "colmap":
            pytest.importorskip("pycolmap", reason="missing here: the package pycolmap, which writes COLMAP's files")
        write(scene, folder)
        folders[kind] = folder
    return folders


def load(kind: str, root: Path, **changes: Any) -> Scene:
    section = {"kind": kind, "root": str(root), **SETTINGS.get(kind, {}), **changes}
    return load_scene(CONFIG.validate_python(section))


def images(root: Path) -> list[Path]:
    """Return the images that are read, in order."""
    return sorted(path for path in root.rglob("*.png") if "1_val" not in path.name and path.parent.name != "val")


def cut(root: Path) -> None:
    path = images(root)[1]
    path.write_bytes(path.read_bytes()[:-60])


def replaced(root: Path) -> None:
    images(root)[1].write_text("no image")


def changed(change: Callable[[PIL.Image.Image], PIL.Image.Image]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = images(root)[1]
        change(PIL.Image.open(path)).save(path)

    return spoil


IMAGE_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (cut, r"\.png: the image cannot be read \(.*\): copy or render it again"),
    "no image": (replaced, r"\.png: the image cannot be read"),
    "16 bits": (changed(lambda image: image.convert("I;16")), r"kind 'I;16'; convert it to RGB or RGBA"),
    "other size": (changed(lambda image: image.resize((8, 16))), r"is 8x16 RGBA and|and .* is 8x16 RGBA"),
    "other channels": (changed(lambda image: image.convert("RGB")), r"16x16 RGB\b.*must be equal in size and channels"),
}


def refused(kind: str, root: Path, pattern: str, **changes: Any) -> None:
    """Check that a folder is refused by one sentence that names a file or a key and says more than that."""
    with pytest.raises(DataError) as caught:
        load(kind, root, **changes)
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text
    assert re.search(pattern, text), text
    assert str(root) in text or re.match(r"data\.\w+: ", text), text


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_can_be_read(kind: str, written: dict[str, Path]) -> None:
    scene = load(kind, written[kind])
    assert len(scene.train) >= 5 and len(scene.test) >= 1


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
@pytest.mark.parametrize("kind", WRITERS)
def test_an_image_of_no_use_is_refused(kind: str, fault: str, written: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(written[kind], tmp_path / "scene")
    spoil, pattern = IMAGE_FAULTS[fault]
    spoil(root)
    refused(kind, root, pattern)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_or_a_file_that_is_not_there_is_named(kind: str, written: dict[str, Path], tmp_path: Path) -> None:
    refused(kind, tmp_path / "nowhere", r"data\.root: there is no folder '.*nowhere': set it to the folder that holds")
    root = shutil.copytree(written[kind], tmp_path / "scene")
    (tmp_path / "file").touch()
    refused(kind, tmp_path / "file", r"data\.root: there is no folder")
    for content in (b"", b"\xff\xfe nothing of use"):
        (root / LISTS[kind]).write_bytes(content)
        refused(kind, root, Path(LISTS[kind]).name)
    (root / LISTS[kind]).unlink()
    if kind == "rtmv":
        assert len(load(kind, root, train_images=5).train) == 5, "the file of one image alone"
    else:
        refused(kind, root, "there is no such file|there is neither")


@pytest.mark.parametrize("kind", WRITERS)
def test_images_that_are_missing_are_told_or_refused(kind: str, written: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(written[kind], tmp_path / "scene")
    images(root)[1].unlink()
    if kind == "llff":
        refused(kind, root, "6 rows, and there are 5 images .*: each row belongs to one image")
    else:
        (note,) = [note for note in load(kind, root).notes if "known points" not in note]
        assert re.search(r"^(test: )?1 of \d ", note)
    for path in images(root):
        path.unlink()
    refused(kind, root, "none of its|there is no image|there are 0 images")


def poses_changed(kind: str, root: Path, change: Callable[[int, Matrix], Matrix]) -> None:
    """Change the poses of a scene, which are 4x4 matrices."""
    if kind in {"blender", "transforms"}:
        for file in root.glob("transforms*.json"):
            document = json.loads(file.read_text())
            for index, frame in enumerate(document["frames"]):
                frame["transform_matrix"] = change(index, np.array(frame["transform_matrix"])).tolist()
            file.write_text(json.dumps(document))
    elif kind == "rtmv":
        for index, file in enumerate(sorted(root.glob("0*.json"))):
            document = json.loads(file.read_text())
            columns = document["camera_data"]["cam2world"]
            document["camera_data"]["cam2world"] = change(index, np.array(columns).T).T.tolist()
            file.write_text(json.dumps(document))
    elif kind == "llff":
        rows = np.load(root / "poses_bounds.npy")
        for index, row in enumerate(rows):
            matrix = row[:15].reshape(3, 5)
            matrix[:, :4] = change(index, np.concatenate([matrix[:, :4], [[0.0, 0.0, 0.0, 1.0]]]))[:3]
        np.save(root / "poses_bounds.npy", rows)
    else:
        for index, file in enumerate(sorted(root.rglob("pose/*.txt"))):
            np.savetxt(file, change(index, np.loadtxt(file).reshape(4, 4)).reshape(1, 16))


def second_nowhere(index: int, pose: Matrix) -> Matrix:
    return pose if index != 1 else np.where(np.arange(16).reshape(4, 4) == 3, np.nan, pose)


def in_one_place(index: int, pose: Matrix) -> Matrix:
    del index
    return np.concatenate([pose[:, :3], [[1.0], [2.0], [3.0], [1.0]]], axis=1)


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "colmap"])
def test_poses_that_show_no_depth_are_refused(kind: str, written: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(written[kind], tmp_path / "nan")
    poses_changed(kind, root, second_nowhere)
    refused(kind, root, "not finite")
    root = shutil.copytree(written[kind], tmp_path / "place")
    poses_changed(kind, root, in_one_place)
    refused(kind, root, "all 6 cameras stand in one place.*: compute the poses again")


def test_poses_of_colmap_that_show_no_depth_are_refused(written: dict[str, Path], tmp_path: Path) -> None:
    pycolmap = pytest.importorskip("pycolmap", reason="missing here: the package pycolmap")
    for word, pattern in (
        ("nan", r"shot_0000\.png has a value that is not finite"),
        ("0", "9 cameras stand in one place"),
    ):
        root = shutil.copytree(written["colmap"], tmp_path / word)
        pycolmap.Reconstruction(str(root / "sparse/0")).write_text(str(root / "sparse/0"))
        for file in (root / "sparse/0").glob("*.bin"):
            file.unlink()
        text = (root / "sparse/0/images.txt").read_text()
        spoilt = re.sub(
            r"(?m)^(\d+ \S+ \S+ \S+ \S+) \S+ \S+ \S+ (\d+ shot)", rf"\1 {word} 0 0 \2", text, count=word == "nan"
        )
        (root / "sparse/0/images.txt").write_text(spoilt)
        refused("colmap", root, pattern)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_single_view_is_refused(kind: str, written: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(written[kind], tmp_path / "scene")
    changes: dict[str, Any] = {}
    if kind in {"blender", "transforms"}:
        for file in root.glob("transforms*.json"):
            document = json.loads(file.read_text())
            file.write_text(json.dumps({**document, "frames": document["frames"][:1]}))
    elif kind == "rtmv":
        changes = {"train_images": 1}
    else:
        if kind == "llff":
            np.save(root / "poses_bounds.npy", np.load(root / "poses_bounds.npy")[:1])
        held_out = ("2_test", "test")
        for path in [path for path in images(root) if not (path.name.startswith(held_out) or "test" in path.parts)][1:]:
            path.unlink()
    refused(kind, root, "1 image is too few: depth shows only where two views differ; add images", **changes)


@pytest.mark.parametrize("kind", WRITERS)
def test_bounds_that_are_reversed_are_refused(kind: str, written: dict[str, Path]) -> None:
    with pytest.raises(ValidationError, match=r"near \(5\.0\) must be smaller than far \(1\.0\)"):
        load(kind, written[kind], near=5.0, far=1.0)


def test_a_file_of_poses_that_hides_a_program_is_not_run(written: dict[str, Path], tmp_path: Path) -> None:
    root = shutil.copytree(written["llff"], tmp_path / "scene")
    np.save(root / "poses_bounds.npy", np.array([print]), allow_pickle=True)
    refused("llff", root, r"cannot be read as an array of numbers: write it again with LLFF$")
