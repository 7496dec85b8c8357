"""Configuration files of the original Neural Scene Graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsg_cluster.config.nsg_options import DEAD, ELSEWHERE, OPTIONS, convert, read_options
from nsg_cluster.config.parse import parse_experiment
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.documents import Place, YamlDocument
from nsg_cluster.core.errors import ConfigError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"
TRAIN = """expname = kitti tracking/0006
datadir = ./data/kitti/training/image02/0006
dataset_type = kitti
lrate=5e-4
lrate_decay=500
N_rand = 8192
N_samples_obj = 7
latent_size=256
raw_noise_std = 1e0   # noise
far_plane=150.
; a comment
first_frame=0,65
last_frame=20,120
half_res = True
white_bkgd
"""


def experiment(tmp_path: Path, text: str) -> Experiment:
    """Return the experiment that a file becomes, read by the schema."""
    file = tmp_path / "config.txt"
    file.write_text(text)
    return parse_experiment(YamlDocument(convert(read_options(file)).nested(), {(): Place("config.txt")}))


def test_options_become_keys(tmp_path: Path) -> None:
    made: Any = experiment(tmp_path, TRAIN)
    assert made.name == "kitti-tracking-0006"
    assert (made.data.kind, made.data.sequence, made.data.geometry) == ("kitti", "0006", "nsg_compat")
    assert (made.data.frames, made.data.far) == ("0-20, 65-120", 150.0)
    assert (made.train.rays, made.train.optimizer.learning_rate) == (8192, 5e-4)
    assert made.train.schedule.final_factor == pytest.approx(0.01)
    assert (made.model.objects.samples, made.model.objects.latent, made.model.objects.share) == (7, 256, "class")
    assert made.model.background.field.density_noise == made.model.objects.field.density_noise == 1.0
    assert made.train.background == made.render.background == "white"


def test_what_was_left_out_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.txt"
    file.write_text(f"{TRAIN}netchunk = 65536\nplane_type = double\nremove_frame = -1\n")
    notes = convert(read_options(file), root="/data/kitti").notes
    assert "half_res: had no effect" in notes
    assert "plane_type double: no counterpart; planes are uniform" in notes
    assert any(note.startswith("netchunk: evaluate.chunk") for note in notes)
    assert not any(note.startswith("remove_frame") for note in notes)
    assert "datadir ./data/kitti/training/image02/0006: data.root is /data/kitti" in notes


def test_the_files_of_the_published_run_are_read(data_root: Path) -> None:
    folder = data_root / "nsg_weights" / "kitti_tracking_0006_example"
    short, long = (convert(read_options(folder / name)).settings for name in ("config.txt", "args.txt"))
    assert short["data.frames"] == long["data.frames"] == "65-120"
    assert short.items() <= long.items()


@pytest.mark.parametrize(
    ("name", "edits", "note"),
    [
        ("360_rotate", [{"manipulate": {"name": "360_rotate"}}], None),
        ("background", [{"only": "background"}], None),
        ("handcrafted_set_02", None, "{name: handcrafted, tables: FOLDER}"),
        ("somersault", None, "write it as render.edits with move"),
    ],
)
def test_manipulations_become_edits(tmp_path: Path, name: str, edits: Any, note: str | None) -> None:
    file = tmp_path / "config.txt"
    file.write_text(TRAIN + f"manipulate = {name}\n")
    made = convert(read_options(file))
    assert made.settings.get("render.edits") == edits
    assert note is None or any(text.startswith(f"manipulate {name}: ") and note in text for text in made.notes)


def test_a_start_that_was_learned_elsewhere_is_to_be_learned_here(tmp_path: Path) -> None:
    file = tmp_path / "config.txt"
    file.write_text(TRAIN + "use_obj_meta = True\nobj_meta_dir = ./data/meta_data.pth\n")
    made = convert(read_options(file))
    assert [note for note in made.notes if "start_from" in note] == [
        "use_obj_meta: learn a start with configs/car_start.yaml, and name its run as model.objects.start_from"
    ]
    assert not any("meta" in key for key in made.settings)


def test_virtual_kitti_and_networks_of_single_objects_are_converted(tmp_path: Path) -> None:
    made: Any = experiment(
        tmp_path, "datadir = ./data/vkitti/Scene06/fog\ndataset_type = vkitti\nobject_setting = 1\ni_embed = -1\n"
    )
    assert (made.data.kind, made.data.scene, made.data.variant) == ("vkitti2", "06", "fog")
    assert made.data.exclude_tracks == (16, 17, 18, 19)
    assert made.model.objects.share == "object"
    assert made.model.objects.place_frequencies is None
    assert made.model.background.field.position_frequencies == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("N_sample = 6\n", ":1: Neural Scene Graphs has no option 'N_sample'. Did you mean 'N_samples'?"),
        ("\n= 6\n", ":2: '= 6' is no line 'option = value'"),
        ("datadir = ./data\n", "datadir: './data' must end in the four digits of a sequence"),
        ("dataset_type = waymo\n", "dataset_type: 'waymo' is not one of kitti, vkitti"),
        (TRAIN.replace("0,65", "65"), "first_frame names 1 clips and last_frame 2"),
        (TRAIN.replace("lrate_decay=500", "lrate_decay=slow"), "lrate_decay: 'slow' is no value that it takes"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        experiment(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_option_with_an_effect_is_in_the_migration_table() -> None:
    text = PAGE.read_text()
    assert not [name for name, (key, _) in OPTIONS.items() if f"| `{name}` | `{key}` |" not in text]
    assert not [name for name in (*DEAD, *ELSEWHERE) if f"`{name}`" not in text]
