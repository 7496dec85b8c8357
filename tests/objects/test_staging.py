"""Files of every format are what they claim to be, or are refused before Blender starts."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from nsg_cluster.core.errors import DataError
from nsg_cluster.objects.staging import stage
from tests.objects.shapes import write_box, write_gltf


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.glb", b"", "is empty"),
        ("a.glb", b"PK\3\4 a zip file", "is no binary glTF"),
        ("a.glb", b"glTF" + struct.pack("<II", 2, 9000), "is cut short: 12 bytes of 9000"),
        ("a.gltf", b"{", "is no glTF"),
        ("a.gltf", b"[]", "is no glTF: it has no 'asset'"),
        ("a.ply", b"solid", "is no .ply file"),
        ("a.stl", b"abc", "is no .stl file: 3 bytes are too few"),
        ("a.stl", b"\0" * 80 + struct.pack("<I", 10), "is cut short: 84 bytes of 584"),
        (
            "a.ply",
            b"ply\nformat ascii 1.0\nelement vertex 3\nelement face 101\nend_header\n",
            "has 101 faces: max_faces is",
        ),
        ("a.stl", b"\0" * 80 + struct.pack("<I", 200) + b"\0" * 10000, "has 200 faces: max_faces is 100; raise it if"),
        ("a.obj", b"", "is empty"),
    ],
)
def test_a_damaged_file_is_refused_by_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        stage(tmp_path / name, tmp_path / "scratch", max_faces=100)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert words in str(caught.value)


def test_a_name_with_blanks_and_a_newline_is_plain_for_blender(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    model = write_box(tmp_path / "my\nmodels #1 {x}", "a box\n.OBJ")
    staged = stage(model, tmp_path / "scratch", max_faces=100)
    assert staged.file == tmp_path / "scratch" / "model.obj"
    assert staged.format == "obj"
    assert {file.name for file in (tmp_path / "scratch").iterdir()} == {"model.obj", "materials.mtl"}


def test_a_material_that_no_file_has_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    model = write_box(tmp_path)
    model.write_text(model.read_text().replace("usemtl top", "usemtl topp").replace("usemtl left", "usemtl sky"))
    staged = stage(model, tmp_path / "scratch", max_faces=100)
    assert staged.notes == ("the material 'sky' (and 1 others) is in no material file: plain gray is used.",)
    (tmp_path / "scratch" / "materials.mtl").unlink()
    model.write_text(model.read_text().replace("usemtl sky", "usemtl left"))
    assert "Did you mean 'top'?" in stage(model, tmp_path / "scratch", max_faces=100).notes[0]


@pytest.mark.parametrize("kind", ["gltf", "glb"])
def test_a_gltf_without_its_buffer_is_refused_and_a_lost_texture_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "scratch").mkdir()
    document = {"asset": {}, "buffers": [{"uri": "my%20cup.bin"}], "images": [{"uri": "lost.png"}, {"uri": "data:x"}]}
    write_gltf(tmp_path / f"cup.{kind}", document)
    with pytest.raises(DataError, match=rf"cup\.{kind}: its buffer 'my%20cup.bin' is missing: copy it"):
        stage(tmp_path / f"cup.{kind}", tmp_path / "scratch", max_faces=100)
    (tmp_path / "my cup.bin").write_bytes(b"x")
    staged = stage(tmp_path / f"cup.{kind}", tmp_path / "scratch", max_faces=100)
    assert staged.file == tmp_path / f"cup.{kind}", "it is read where it lies: its files are named from there"
    assert staged.notes == ("the texture 'lost.png' is missing: the material's plain color is used",)
