"""`nsg_cluster.runs.fetch` and `nsg_cluster.cli.fetch`: a run brought from a folder, and by a real sshd and rsync."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsg_cluster.config.site import Site
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.fetch import Source, fetch, find_source
from tests.clusters.account import Account, Unavailable, ordinary_account
from tests.clusters.cluster import wait_until
from tests.clusters.interpreter import interpreter
from tests.clusters.ssh import SshMachine

CHECKOUT = Path(__file__).resolve().parents[2]
NASTY = 'it\'s $(touch x) "y" é'
FILES = {
    "record.json": '{"id": "k3x9a2"}',
    "spec.yaml": "name: tiny\n",
    "lock": "",
    "supervisor.json": "{}",
    "report.html": "<html>",
    "tasks/0/status.json": "{}",
    "tasks/0/lock": "",
    "tasks/0/log.out": "said\n",
    "tasks/0/metrics.json": "{}",
    "tasks/0/evaluation/view 1.png": "pixels",
    "tasks/0/checkpoints/step-10.pt": "weights",
    "tasks/1/status.json": "{}",
    "tasks/1/log.err": "",
    "tasks/1/renders/orbit.json": "{}",
    "submitit/7_0_log.out": "started\n",
    "submitit/7_submitted.pkl": "pickle",
}


@pytest.fixture(scope="module")
def account() -> Account:
    try:
        return ordinary_account()
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")


@pytest.fixture(scope="module")
def machine(account: Account) -> Iterator[SshMachine]:
    """Return an sshd of this test process."""
    try:
        found = SshMachine(account, account.base / f"ssh-{os.getpid()}")
        found.up()
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")
    yield found
    found.down()


class Bench:
    """A run in a storage with a nasty name, and the launcher of an ordinary user."""

    def __init__(self, machine: SshMachine) -> None:
        self.machine = machine
        self.root = machine.work()
        self.storage = machine.account.folder(self.root / NASTY)
        self.run = RunPaths(self.storage / "runs/tiny/20261125T034500-k3x9a2")
        for name, text in FILES.items():
            self.write(name, text)
        self.target = self.root / "results of mine"
        self.arrived = self.target / self.run.root.name
        remote = {"host": machine.host, "storage": str(self.storage), "options": machine.options}
        site = {"name": "far", "storage": "/not/here", "remote": remote}
        self.site = machine.account.write(self.root / "far.yaml", json.dumps(site))

    def write(self, name: str, text: str) -> Path:
        path = self.run.root / name
        for folder in reversed([path.parent, *path.parent.relative_to(self.root).parents]):
            self.machine.account.folder(self.root / folder)
        return self.machine.account.write(path, text)

    def argv(self, *arguments: object) -> list[str]:
        python = str(interpreter(self.machine.account))
        return [python, str(CHECKOUT / "launch.py"), "fetch", *map(str, arguments)]

    def fetch(self, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        account = self.machine.account
        return account.run(self.argv(*arguments), env={**self.machine.env, **env}, cwd=self.root, timeout_s=120)

    def names(self) -> set[str]:
        return {str(path.relative_to(self.arrived)) for path in self.arrived.rglob("*") if path.is_file()}


@pytest.fixture
def bench(machine: SshMachine) -> Iterator[Bench]:
    found = Bench(machine)
    yield found
    shutil.rmtree(found.root)


WITHOUT_CHECKPOINTS = set(FILES) - {
    "lock",
    "supervisor.json",
    "tasks/0/lock",
    "submitit/7_submitted.pkl",
    "tasks/0/checkpoints/step-10.pt",
}


def test_results_and_logs_come_by_ssh_and_only_what_is_new_the_next_time(bench: Bench) -> None:
    ended = bench.fetch("@last", bench.target, "--site", bench.site, "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["id"] == "k3x9a2" and document["folder"] == str(bench.arrived)
    assert document["source"] == f"{bench.machine.host}:{bench.run.root}"
    assert bench.names() == WITHOUT_CHECKPOINTS and document["files"] == len(WITHOUT_CHECKPOINTS)
    assert not list(bench.root.rglob("x")), "nothing in a name was run"
    bench.write("tasks/0/log.out", "said\nand more\n")
    again = json.loads(bench.fetch("k3x", bench.target, "--site", bench.site, "--json").stdout)
    assert (again["files"], again["bytes"]) == (1, len("said\nand more\n"))
    assert (bench.arrived / "tasks/0/log.out").read_text() == "said\nand more\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--what", "checkpoints"], {"tasks/0/checkpoints/step-10.pt"}),
        (["--what", "logs"], {"tasks/0/log.out", "tasks/1/log.err", "submitit/7_0_log.out"}),
        (
            ["--what", "results", "--task", 1],
            {"report.html", "tasks/1/renders/orbit.json"},
        ),
    ],
)
def test_parts_and_tasks_can_be_chosen(bench: Bench, arguments: list[object], expected: set[str]) -> None:
    ended = bench.fetch(bench.run.root, bench.target, *arguments)
    assert ended.returncode == 0, ended.stderr
    basics = {"record.json", "spec.yaml", "tasks/0/status.json", "tasks/0/metrics.json", "tasks/1/status.json"}
    if "--task" in arguments:
        basics -= {"tasks/0/status.json", "tasks/0/metrics.json"}
    assert bench.names() == basics | expected


def test_a_run_on_another_machine_can_be_named_by_its_folder(bench: Bench) -> None:
    # The client's own configuration would say how to reach the host; here its options stand in a site.
    source = Source(host=bench.machine.host, folder=str(bench.run.root))
    assert find_source(f"{bench.machine.host}:{bench.run.root}/", Site(name="local", storage="/nowhere")) == source


def test_a_transfer_that_is_cut_off_goes_on_inside_of_a_file(bench: Bench) -> None:
    size = 6_000_000
    big = bench.write("tasks/0/renders/orbit.mp4", "")
    big.write_bytes(os.urandom(size))
    arguments = ["k3x9a2", bench.target, "--site", bench.site]
    env = {**bench.machine.env, "NSG_TEST_BWLIMIT": "1000"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with bench.machine.account.popen(bench.argv(*arguments), env=env, cwd=bench.root, **pipes) as process:
        wait_until("half of it", lambda: _largest(bench.arrived) > size // 4)
        bench.machine.cut()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "was cut off; what has arrived is kept" in err and "Traceback" not in err
    arrived = bench.arrived / "tasks/0/renders/orbit.mp4"
    assert not arrived.exists(), "half a file does not look like a whole one"
    assert _largest(bench.arrived) > size // 4
    ended = bench.fetch(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["transferred"] < size * 7 // 8, "not all of it again"
    assert arrived.read_bytes() == big.read_bytes()
    assert not list(bench.arrived.rglob(".rsync-partial"))


def _largest(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)


def test_what_is_not_there_is_a_mistake_and_leaves_nothing(bench: Bench) -> None:
    for words, text in (
        (["zzz", "--site", bench.site], "no run 'zzz' in nsgtest@127.0.0.1:"),
        ([bench.root / "absent"], "no such folder"),
        ([f"nobody@{'x' * 5}.invalid:/run"], "invalid:/run was cut off; nothing has arrived"),
        (["@last", "--site", bench.site, "--what", "log"], "Did you mean 'logs'?"),
    ):
        ended = bench.fetch(words[0], bench.target, *words[1:])
        assert ended.returncode == 2 and text in ended.stderr.replace(bench.machine.account.name, "nsgtest"), ended
        assert "Traceback" not in ended.stderr and not bench.names()
    ended = bench.fetch("@last", bench.target, "--site", bench.site, "--task", 7)
    assert ended.returncode == 2 and "has no task 7" in ended.stderr


def test_without_rsync_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match="apt-get install rsync"):
        fetch(Source(folder=str(tmp_path / "a")), tmp_path / "b")
