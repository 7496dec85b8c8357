"""Every file that a rendering reads belongs to what the views are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.core.errors import DataError
from nsg_cluster.objects.gltf import document_of, references
from nsg_cluster.objects.obj_text import copy_obj, libraries_of
from nsg_cluster.objects.sources import sources_of
from tests.objects.shapes import box_mtl, box_obj, write_box, write_gltf

EVERY_MAP = ("map_Kd", "map_Ks", "map_Ke", "map_Ns", "map_d", "map_Bump", "bump", "disp", "norm", "refl", "map_Pr")


def textured_box(folder: Path, maps: str) -> Path:
    """Return the box, with lines of textures in the material of its right side."""
    model = write_box(folder)
    (folder / "box.mtl").write_text(box_mtl().replace("newmtl right\n", f"newmtl right\n{maps}"))
    return model


def names(model: Path) -> list[str]:
    return [source.name for source in sources_of(model)]


@pytest.mark.parametrize("kind", EVERY_MAP)
def test_every_kind_of_texture_counts(tmp_path: Path, kind: str) -> None:
    model = textured_box(tmp_path / "box", f"{kind} -s 2 2 wood.png\n")
    (tmp_path / "box" / "Wood.PNG").write_bytes(b"oak")
    before = sources_of(model)
    assert [source.name for source in before] == ["box.obj", "box.mtl", "Wood.PNG"]
    (tmp_path / "box" / "Wood.PNG").write_bytes(b"elm")
    assert [now != then for now, then in zip(sources_of(model), before, strict=True)] == [False, False, True]


def test_what_lies_beside_the_folder_counts_and_what_is_missing_does_when_it_comes(tmp_path: Path) -> None:
    model = textured_box(tmp_path / "models", "map_Kd ../images/a.png\nmap_Ks lost.png\n")
    assert names(model) == ["box.obj", "box.mtl"]
    for name in ("images/a.png", "models/lost.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(model) == ["box.obj", "box.mtl", "../images/a.png", "lost.png"]


def test_a_moved_model_with_all_its_files_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = textured_box(tmp_path / "a" / "box", "map_Kd wood.png\n")
    (tmp_path / "a" / "box" / "wood.png").write_bytes(b"oak")
    before = sources_of(first)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sources_of(tmp_path / "b" / "box" / "box.obj") == before


@pytest.mark.parametrize("kind", ["gltf", "glb"])
def test_buffers_and_images_of_a_gltf_count(tmp_path: Path, kind: str) -> None:
    listed = {"buffers": [{"uri": "a%20b.bin"}, {"uri": "data:x"}, {}, 3], "images": [{"uri": r"maps\c.png"}]}
    model = write_gltf(tmp_path / f"cup.{kind}", {"asset": {}, **listed})
    assert [str(each.path) for each in references(model, document_of(model))] == [
        f"{tmp_path}/a b.bin",
        f"{tmp_path}/maps/c.png",
    ]
    (tmp_path / "maps").mkdir()
    for name in ("a b.bin", "maps/c.png"):
        (tmp_path / name).write_bytes(b"x")
    assert names(model) == [f"cup.{kind}", "a b.bin", "maps/c.png"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"glTF\2\0\0\0", b'{"asset": {}, "buffers": {"uri": "x\\u0000y"}}']
)
def test_a_broken_gltf_is_its_own_file_alone(tmp_path: Path, content: bytes) -> None:
    for name in ("a.gltf", "a.glb"):
        (tmp_path / name).write_bytes(content)
        assert names(tmp_path / name) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "mtllib a.mtl\n",
        "  mtllib   a b.mtl  \r\nv 0 0 0\nmtllib c.mtl",
        "# mtllib no.mtl\nmtllibs no.mtl\n\tmtllib a.mtl \\\n b.mtl\n",
        "",
    ],
)
def test_material_files_are_found_as_in_the_copy_for_blender(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.obj").write_bytes(text.encode())
    found = libraries_of(tmp_path / "a.obj")
    (tmp_path / "a.obj").write_bytes(text.encode() + b"\n" + box_obj(library=None).encode())
    assert found == copy_obj(tmp_path / "a.obj", tmp_path / "b.obj", library="c", max_faces=9).libraries


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.stl: cannot be read: No such file"):
        sources_of(tmp_path / "a.stl")
