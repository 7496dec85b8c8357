"""What is wrong with an .obj file is said with its line, before Blender sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import DataError
from nsg_cluster.objects.obj_text import ObjSummary, copy_obj, libraries_of
from tests.objects.shapes import box_obj


def copied(text: str | bytes, folder: Path, *, max_faces: int = 100) -> tuple[ObjSummary, str]:
    """Copy an .obj; return what was found in it, and the copy."""
    source, target = folder / "a.obj", folder / "copy.obj"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    return copy_obj(source, target, library="all.mtl", max_faces=max_faces), target.read_text(errors="replace")


def refusal(text: str | bytes, folder: Path, **options: int) -> str:
    with pytest.raises(DataError) as caught:
        copied(text, folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder}/")


def test_a_copy_has_the_same_geometry_and_one_material_file(tmp_path: Path) -> None:
    found, copy = copied(box_obj(), tmp_path)
    assert (found.vertices, found.faces, found.libraries, found.notes) == (8, 6, [b"box.mtl"], [])
    assert copy.splitlines() == ["mtllib all.mtl", *box_obj().splitlines()[1:]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.obj: is empty"),
        ("\n \n", "a.obj: is empty"),
        (b"\x7fELF\x02\0\0\0", "a.obj: is binary; an .obj file is text"),
        ("v 0 0 0\nv 1 0", "a.obj:2: a vertex needs three numbers, found 'v 1 0'"),
        ("v 0 0 0\nv 1 x 0\n", "a.obj:2: a vertex needs three numbers, found 'v 1 x 0'"),
        ("v 0 0 0\nv 1 nan 0\n", "a.obj:2: a vertex at (1, nan, 0) is beyond all measure"),
        ("v 1e200 0 0\n", "a.obj:1: a vertex at (1e+200, 0, 0) is beyond all measure"),
        ("v 0 0 0\nv 1 0 0\n", "a.obj: has no faces (and 2 vertices); is it cut short?"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 7\n", "a.obj:4: a face has the vertex 7, and the file holds 3: it is cut"),
        ("v 0 0 0\nf 1 -2 1\n", "a.obj:2: a face has the vertex -2, and 1 stand before it"),
        ("v 0 0 0\nf 0 1 1\n", "a.obj:2: a face has the vertex 0, and 1 stand before it"),
        ("v 0 0 0\nf a/b/c\n", "a.obj:2: 'f a/b/c' is no face: its corners must be whole numbers"),
        ("v 0 0 0\nf 1 2 3\nv 1 0 0\nv 0 1 0\n", "a.obj:2: a face has the vertex 3, which stands after it; Blender"),
        ("just some text\n", "a.obj: has no faces (and 0 vertices)"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert refusal(text, tmp_path).startswith(words)


def test_a_gigantic_model_is_refused_before_blender_takes_all_memory(tmp_path: Path) -> None:
    told = refusal(box_obj(library=None), tmp_path, max_faces=3)
    assert told.startswith("a.obj:12: has more than 3 faces: max_faces is 3; raise it if the memory")


def test_a_line_without_end_is_no_obj_file(tmp_path: Path) -> None:
    assert "the line is longer than" in refusal("v " + "1 " * (1 << 20), tmp_path)


def test_lines_that_read_other_files_or_run_commands_are_left_out(tmp_path: Path) -> None:
    found, copy = copied(box_obj() + "call a.obj\ncsh rm -rf /\n", tmp_path)
    assert "call" not in copy
    assert "csh" not in copy
    assert [note.partition(":")[0] for note in found.notes] == ["line 22", "line 23"]


def test_negative_indices_continued_lines_and_faces_without_area_are_understood(tmp_path: Path) -> None:
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 \\\n-2 -1\nf 1 2\nf 1 1 2\nf 1/1/1 2//2 3/3\n"
    found, copy = copied(text, tmp_path)
    assert found.faces == 2
    assert found.notes == ["2 faces have fewer than three different corners: left out"]
    assert "f -3  -2 -1\n" in copy


def test_a_face_loses_the_coordinates_and_normals_that_are_not_there_and_stays(tmp_path: Path) -> None:
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    text = corners + "vt 0 0\nvn 0 0 1\nf 1/1/1 2/9/1 3/1/1\nf 1//1 2//-2 3//1\nf 1/1/1 2/-1/-1 3/1/1\nf 1/x 2 3\n"
    found, copy = copied(text, tmp_path)
    assert copy.splitlines()[6:] == ["f 1 2 3", "f 1 2 3", "f 1/1/1 2/-1/-1 3/1/1", "f 1 2 3"]
    assert found.notes == ["3 faces name texture coordinates or normals that are not there: left out"]
    before, _ = copied(corners + "f 1/1 2/2 3/3\nvt 0 0\nvt 1 0\nvt 1 1\n", tmp_path)
    assert before.notes == [], "all of them may stand after all faces"


def test_a_byte_order_mark_hides_nothing(tmp_path: Path) -> None:
    found, copy = copied("\N{ZERO WIDTH NO-BREAK SPACE}" + box_obj(), tmp_path)
    assert found.libraries == libraries_of(tmp_path / "a.obj") == [b"box.mtl"]
    assert copy.startswith("mtllib all.mtl\nv ")


@given(st.binary(max_size=300))
def test_no_bytes_lead_to_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    try:
        copied(text, tmp_path_factory.mktemp("obj"))
    except DataError as error:
        assert str(error)
