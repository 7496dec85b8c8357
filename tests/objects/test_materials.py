"""Materials and textures are found whatever the file calls them; what is missing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.objects.materials import Materials, collect_materials, find_file


def collected(folder: Path, mtl: str, *, library: bytes = b"a.mtl") -> Materials:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.mtl").write_text(mtl)
    return collect_materials(folder / "a.obj", [library])


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("wood.png", "wood.png"),
        ("WOOD.PNG", "wood.png"),
        ("Textures/Wood.png", "textures/wood.PNG"),
        (r"textures\wood.png", "textures/wood.png"),
        (r"C:\Users\me\Desktop\wood.png", "wood.png"),
        (r"C:\\stuff\\tex\\wood.png", "TEX/WOOD.PNG"),
        ("/home/me/maps/wood.png", "maps/wood.png"),
        ("../images/wood.png", "../images/wood.png"),
        ("./wood.png", "wood.png"),
        ("dark wood.png", "dark wood.png"),
        ('"dark wood.png"', "dark wood.png"),
        ("-s 2 2 -o 0.5 0 0 -clamp on dark wood.png", "dark wood.png"),
        ("-bm 0.3 wood.png", "wood.png"),
    ],
)
def test_a_texture_is_found_as_it_was_meant(tmp_path: Path, written: str, there: str) -> None:
    file = (tmp_path / "model" / there).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"picture")
    found = collected(tmp_path / "model", f"newmtl a\nmap_Kd {written}\n")
    assert found.notes == []
    assert found.textures == {file: f"texture_0{file.suffix.lower()}"}
    assert found.lines[-1].startswith("map_Kd ")
    assert found.lines[-1].endswith(f" texture_0{file.suffix.lower()}")


def test_options_of_a_texture_are_kept(tmp_path: Path) -> None:
    (tmp_path / "wood.png").write_bytes(b"picture")
    found = collected(tmp_path, "newmtl a\nMAP_KD -s 2 2 1 -o 0.5 wood.png\n")
    assert found.lines[-1] == "map_Kd -s 2 2 1 -o 0.5 texture_0.png"


def test_a_missing_texture_is_told_and_black_behind_it_becomes_gray(tmp_path: Path) -> None:
    found = collected(tmp_path, "newmtl a\nKd 0 0 0\nmap_Kd lost.png\nnewmtl b\nKd 1 0 0\nmap_Kd lost.png\n")
    assert found.lines == ["newmtl a", "Kd 0 0 0", "Kd 0.8 0.8 0.8", "newmtl b", "Kd 1 0 0"]
    assert found.notes[0] == "the texture 'lost.png' of material 'a' is missing: its plain color is used"


@pytest.mark.parametrize(
    "library", [b"A.MTL", b"./a.mtl", rb".\a.mtl", b"C:\\models\\a.mtl", b"a.mtl a.mtl", b'"a.mtl"']
)
def test_a_material_file_is_found_as_it_was_meant(tmp_path: Path, library: bytes) -> None:
    found = collected(tmp_path, "newmtl wood\n", library=library)
    assert set(found.lines) == {"newmtl wood"}
    assert found.notes == []


def test_a_missing_material_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "chair.mtl").write_text("newmtl a\n")
    found = collect_materials(tmp_path / "chair.obj", [b"chiar.mtl"])
    assert found.notes == ["the material file 'chiar.mtl' is missing: plain gray is used. Did you mean 'chair.mtl'?"]


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    found = collected(tmp_path, "\N{ZERO WIDTH NO-BREAK SPACE}newmtl wood\n")
    assert (found.lines, found.names) == (["newmtl wood"], {"wood"})


def test_links_that_go_round_and_binary_material_files_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert find_file(tmp_path, "loop.png") is None
    assert find_file(tmp_path, "x\0y") is None
    (tmp_path / "a.mtl").write_bytes(b"\0\1\2")
    assert "is binary" in collect_materials(tmp_path / "a.obj", [b"a.mtl"]).notes[0]


def test_the_material_file_and_links_to_textures_are_written_under_plain_names(tmp_path: Path) -> None:
    (tmp_path / "odd\nname #{x}.PNG").write_bytes(b"picture")
    found = Materials(lines=["map_Kd texture_0.png"], textures={tmp_path / "odd\nname #{x}.PNG": "texture_0.png"})
    (tmp_path / "scratch").mkdir()
    found.write(tmp_path / "scratch", "all.mtl")
    assert (tmp_path / "scratch" / "texture_0.png").read_bytes() == b"picture"
    assert (tmp_path / "scratch" / "all.mtl").read_text() == "map_Kd texture_0.png\n"
