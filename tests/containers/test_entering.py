"""Programs in an image, by the real Apptainer: `nsg_cluster.container.__main__`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nsg_cluster.container.command import Container
from tests.clusters.interpreter import interpreter
from tests.containers.bases import Base
from tests.containers.engines import Engines

# What a shell between the host and the program could change.
HOSTILE = {
    "NSG_A": 'it\'s "quoted"',
    "NSG_B": "$HOME `id` $(id) ${PATH}",
    "NSG_C": "ends in \\",
    "NSG_D": "two\nlines\ttab",
    "NSG_E": "",
    "NSG_F": "ünï;&|<>(){}*?[]~#!",
}
# Sends a signal to its whole group, as schedulers do, and then once to the program, as the host side of a job does.
SCHEDULER = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGUSR2, lambda *_: None)
child = subprocess.Popen([sys.executable, "-m", "nsg_cluster.container", *sys.argv[1:]], stdout=subprocess.PIPE)
assert child.stdout.readline() == b"ready\\n"
os.killpg(0, signal.SIGUSR2)
time.sleep(0.3)
child.send_signal(signal.SIGUSR2)
print(child.stdout.read().decode().strip(), child.wait())
"""
COUNTER = (
    'n=0; trap "n=\\$((n+1))" USR2; echo ready; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; echo $n; exit 75'
)


@pytest.fixture
def folder(engines: Engines, tiny: Base) -> Path:
    """Return a run's folder with a container that sees it."""
    folder = engines.work()
    engines.account.folder(folder / "source")
    engines.account.write(folder / "source/module.py", "WORD = 'as submitted'\n")
    container = Container(image=str(tiny.sif), python="sh", binds=(str(folder),), source=str(folder / "source"))
    engines.account.write(folder / "container.json", json.dumps(container.to_json()))
    return folder


def enter(engines: Engines, folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the image."""
    argv = [str(interpreter(engines.account)), "-m", "nsg_cluster.container", f"{folder}/container.json", *command]
    return engines.account.run(argv, env={**engines.env, **env}, cwd=folder)


def test_values_arrive_as_they_were_and_nothing_else_does(engines: Engines, folder: Path) -> None:
    done = enter(engines, folder, "env", "-0", SECRET="hidden", PYTHONPATH="/checkout", **HOSTILE)
    inside = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    assert {name: inside.get(name) for name in HOSTILE} == HOSTILE
    assert "SECRET" not in inside and inside["PYTHONPATH"] == f"{folder}/source"
    assert inside["PWD"] == str(folder)


def test_a_signal_to_everything_that_a_job_has_started_reaches_the_program_once(engines: Engines, folder: Path) -> None:
    argv = [interpreter(engines.account), "-c", SCHEDULER, str(folder / "container.json"), "sh", "-c", COUNTER]
    with engines.account.popen(
        list(map(str, argv)), env=engines.env, cwd=folder, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        out, _ = process.communicate(timeout=60)
    assert out.split() == ["1", "75"]


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -USR2 $$", -12)]
)
def test_the_end_of_the_program_is_the_end_of_the_process(
    engines: Engines, folder: Path, script: str, status: int
) -> None:
    assert enter(engines, folder, "sh", "-c", script).returncode == status


def test_the_snapshot_cannot_be_written_from_inside_and_the_folder_of_the_run_can(
    engines: Engines, folder: Path
) -> None:
    done = enter(
        engines, folder, "sh", "-c", f"echo x > {folder}/log; cat {folder}/source/*; echo y > {folder}/source/b"
    )
    assert done.stdout == "WORD = 'as submitted'\n" and "Read-only file system" in done.stderr
    assert (folder / "log").read_text() == "x\n" and not (folder / "source/b").exists()


def test_the_program_sees_the_end_of_its_input_when_whoever_started_it_is_gone(engines: Engines, folder: Path) -> None:
    assert enter(engines, folder, "cat").stdout == ""


def test_an_image_that_is_gone_or_damaged_is_one_sentence(engines: Engines, folder: Path, tiny: Base) -> None:
    for image, sentence in (
        ("/nowhere/a.sif", "error: /nowhere/a.sif: the image is gone, or this node does not see it"),
        (str(folder / "cut.sif"), "FATAL: "),
    ):
        engines.account.write(folder / "cut.sif", "#!/usr/bin/env run-singularity\n" + "x" * 1000)
        content = json.loads((folder / "container.json").read_text())
        engines.account.write(folder / "container.json", json.dumps({**content, "image": image}))
        done = enter(engines, folder, "true")
        assert done.returncode != 0 and done.stderr.splitlines()[-1].startswith(sentence)
    engines.account.write(folder / "container.json", "{}")
    assert "is damaged or of another version" in enter(engines, folder, "true").stderr
