"""What a path stands for: a model, a folder, ShapeNet, a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.config.model_files import find_models, folders_of, model_file
from nsg_cluster.config.objects import ObjectsData
from nsg_cluster.core.errors import DataError

PLANE = "02691156"


@pytest.fixture
def shapenet(tmp_path: Path) -> Path:
    """A category of three models, one of them without its file, and another category."""
    for category, model in [(PLANE, "1a"), (PLANE, "2b"), (PLANE, "3c"), ("03001627", "1a")]:
        (tmp_path / category / model / "models").mkdir(parents=True)
        if model != "2b":
            (tmp_path / category / model / "models" / "model_normalized.obj").write_text("v 0 0 0\n")
    (tmp_path / "taxonomy.json").write_text("[]")
    return tmp_path


def test_a_category_of_shapenet_is_its_models_and_a_missing_file_is_among_them(shapenet: Path) -> None:
    assert [model.name for model in find_models(shapenet / PLANE)] == ["1a", "2b", "3c"]


def test_all_of_shapenet_gives_models_of_one_id_names_with_their_category(shapenet: Path) -> None:
    assert [model.name for model in find_models(shapenet)] == [f"{PLANE}-1a-obj", "2b", "3c", "03001627-1a-obj"]


def test_a_model_of_shapenet_may_be_named_by_its_folder(shapenet: Path) -> None:
    file = shapenet / PLANE / "1a" / "models" / "model_normalized.obj"
    assert model_file(shapenet / PLANE / "1a") == file
    assert [model.file for model in find_models(shapenet / PLANE / "1a")] == [file]


def test_a_folder_is_searched_below_but_never_in_circles(tmp_path: Path) -> None:
    for name in ("b.OBJ", "a.glb", "deep/er/c.stl", "deep/a.glb", ".hidden.obj", "readme.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "deep" / "round").symlink_to(tmp_path)
    found = {model.file.relative_to(tmp_path).as_posix(): model.name for model in find_models(tmp_path)}
    assert list(found) == ["a.glb", "b.OBJ", "deep/a.glb", "deep/er/c.stl"]
    assert found["b.OBJ"] == "b"
    assert found["deep/a.glb"] == "deep-a-glb"


def test_a_list_names_models_as_paths_or_as_shapenet_does(shapenet: Path) -> None:
    (shapenet / "list.txt").write_text(f"# planes\n{PLANE}/3c\n\n{PLANE},1a\n03001627/1a/models/model_normalized.obj\n")
    assert [model.file.parts[-4:-2] for model in find_models(shapenet / "list.txt")] == [
        (PLANE, "3c"),
        (PLANE, "1a"),
        ("03001627", "1a"),
    ]


def test_a_table_of_shapenet_names_its_models_by_two_of_its_columns(shapenet: Path) -> None:
    rows = f"id,synsetId,subSynsetId,modelId,split\n1,{PLANE},{PLANE},3c,train\n2,{PLANE.lstrip('0')},x,1a,val\n"
    (shapenet / "all.csv").write_text(rows)
    assert [model.file.parts[-4:-2] for model in find_models(shapenet / "all.csv")] == [(PLANE, "3c"), (PLANE, "1a")]


def test_a_listed_model_that_is_not_there_is_left_to_fail_by_itself(shapenet: Path) -> None:
    (shapenet / "list.txt").write_text(f"{PLANE}/gone\n{PLANE}/1a\n")
    assert [model.name for model in find_models(shapenet / "list.txt")] == ["gone", "1a"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("gone.obj\n", "list.txt:1: "),
        ("list.txt\n", "the list names itself"),
        ("# nothing\n", "list.txt: holds no model"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(DataError) as caught:
        find_models(tmp_path / "list.txt")
    assert words in str(caught.value)


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "armadillo.obj").write_text("v 0 0 0\n")
    with pytest.raises(DataError, match=r"there is no such file\. Did you mean 'armadillo\.obj'"):
        find_models(tmp_path / "armadilo.obj")
    with pytest.raises(DataError, match="is none of the formats"):
        model_file(Path(__file__))
    with pytest.raises(DataError, match="is a folder without"):
        model_file(tmp_path)


def test_a_container_sees_the_textures_of_models_and_where_views_are_written(shapenet: Path) -> None:
    def folders(model: Path | str, models: Path | None = None) -> list[Path]:
        data = ObjectsData(kind="objects", model=str(model), out=f"{shapenet}/views/{{model}}")
        return folders_of(data, str(models) if models else None)

    file = shapenet / PLANE / "1a" / "models" / "model_normalized.obj"
    assert folders(file) == [shapenet / PLANE / "1a", shapenet]
    assert folders("", shapenet / PLANE) == [shapenet / PLANE, shapenet]
    (shapenet / "list.txt").write_text(f"{PLANE}/1a\n03001627/1a\n")
    (shapenet / "views").mkdir()
    assert folders("", shapenet / "list.txt") == [shapenet, shapenet / "views"]
    for name in ("cups/obj", "cups/textures", "pots/obj"):
        (shapenet / name).mkdir(parents=True)
    assert folders(shapenet / "cups/obj/cup.obj")[0] == shapenet / "cups"
    assert folders(shapenet / "pots/obj/pot.obj")[0] == shapenet / "pots/obj"


def test_names_with_blanks_and_newlines_become_safe(tmp_path: Path) -> None:
    (tmp_path / "my\nchair (2).obj").write_text("x")
    assert [model.name for model in find_models(tmp_path)] == ["my-chair-2"]
