"""``data synthesize``, ``check`` and ``import-config`` (`nsg_cluster.cli.imports`), as their users meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from nsg_cluster.cli import main
from nsg_cluster.data.drives.drive import Drive
from nsg_cluster.data.procedural.street_images import Shot, StreetImages

SMALL = ["width=48", "height=16", "frames=5", "supersample=1"]
Output = pytest.CaptureFixture[str]


def said(output: Output, status: int, *arguments: object) -> str:
    """Run a command that ends with a status, and return what it said: to whom depends on the status."""
    assert main(["data", *map(str, arguments)]) == status
    told = output.readouterr()
    return told.err if status == 2 else told.out


def experiment(folder: Path, data: dict[str, object]) -> Path:
    file = folder / "drive.yaml"
    file.write_text(yaml.safe_dump({"name": "drive", "model": {"kind": "instant_ngp"}, "data": data}))
    return file


@pytest.mark.parametrize("layout", ["kitti", "vkitti2"])
def test_the_section_that_is_printed_reads_what_was_made(layout: str, tmp_path: Path, capsys: Output) -> None:
    made = said(capsys, 0, "synthesize", tmp_path / "street", "--layout", layout, *SMALL)
    file = experiment(tmp_path, yaml.safe_load(made.partition("\n")[2])["data"])
    report = json.loads(said(capsys, 0, "check", file, "--json", "--out", tmp_path / "pictures"))
    assert (report["complete"], report["images"], len(report["tracks"])) == (True, 10, 4)
    assert Path(report["pictures"][0]).name == "above.png"
    assert all(Path(path).is_file() for path in report["pictures"])
    told = said(capsys, 0, "check", file, "--out", tmp_path / "pictures", "--views", 0)
    assert "10 images of 48x16 in 5 frames: 4 to train on, 1 held out" in told
    assert "    2  van         4.80 x 2.00 x 1.90 m" in told


def test_what_exists_is_not_written_over(tmp_path: Path, capsys: Output) -> None:
    assert json.loads(said(capsys, 0, "synthesize", tmp_path, "--json", *SMALL, "cars=0"))["data"]["sequence"] == "0000"
    text = said(capsys, 2, "synthesize", tmp_path, *SMALL)
    assert "exists already; choose another folder or --sequence" in text
    assert "'7' is not allowed; number of the sequence" in said(capsys, 2, "synthesize", tmp_path, "--sequence", "7")


def test_text_files_of_a_sequence_without_images_are_not_written_over(tmp_path: Path, capsys: Output) -> None:
    labels = tmp_path / "training" / "label_02" / "0006.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("KITTI's own\n")
    assert f"{labels}: exists already" in said(capsys, 2, "synthesize", tmp_path, "--sequence", "0006", *SMALL)
    assert labels.read_text() == "KITTI's own\n"


@pytest.mark.parametrize("layout", ["kitti", "vkitti2"])
def test_a_street_that_was_interrupted_leaves_nothing_and_can_be_made_again(
    layout: str, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shoot(self: StreetImages, drive: Drive, view: int) -> Shot:
        if view:
            raise KeyboardInterrupt
        return first(self, drive, view)

    first = StreetImages.shoot
    with monkeypatch.context() as interrupted:
        interrupted.setattr(StreetImages, "shoot", shoot)
        assert main(["data", "synthesize", str(tmp_path / "a" / "street"), "--layout", layout, *SMALL]) == 130
    assert not list(tmp_path.iterdir())
    said(capsys, 0, "synthesize", tmp_path / "a" / "street", "--layout", layout, *SMALL)
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_that_is_not_there_is_told_with_where_to_get_it(tmp_path: Path, capsys: Output) -> None:
    file = experiment(tmp_path, {"kind": "kitti", "root": str(tmp_path / "kitti"), "sequence": "0006"})
    assert "missing: the folder of the data set" in said(capsys, 1, "check", file)
    assert json.loads(said(capsys, 1, "check", file, "--json"))["complete"] is False
    assert "no such file" in said(capsys, 2, "check", tmp_path / "other.yaml")


def test_a_configuration_of_the_original_becomes_a_file_that_is_not_written_over(
    tmp_path: Path, capsys: Output
) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.yaml"
    old.write_text("datadir = data/kitti/training/image02/0006\nhalf_res = True\nN_samples = 6\n")
    assert "half_res: had no effect" in said(capsys, 0, "import-config", old, "--out", new)
    assert new.read_text().startswith("# Converted from old.txt of Neural Scene Graphs.")
    made = yaml.safe_load(new.read_text())
    assert made["model"]["background"]["sampler"] == {"kind": "planes", "samples": 6}
    assert made == yaml.safe_load(said(capsys, 0, "import-config", old))
    assert json.loads(said(capsys, 0, "import-config", old, "--json"))["experiment"] == made
    assert "exists already; choose another name" in said(capsys, 2, "import-config", old, "--out", new)
    old.write_text("datadir = data/kitti/training/image02/0006\nN_rand = 3\n")
    assert "train.rays: 3 is out of range" in said(capsys, 2, "import-config", old)


@pytest.mark.parametrize("name", ["check", "synthesize", "import-config"])
def test_every_command_has_help_with_an_example(name: str, capsys: Output) -> None:
    text = said(capsys, 0, name, "--help")
    assert f"    python launch.py data {name} " in text
    assert "Exit status:" in text
