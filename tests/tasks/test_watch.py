"""`nsg_cluster.tasks.watch` and `nsg_cluster.runs.provisions`: scratch and secrets of tasks, through whole runs."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from typing import Any

import pytest

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor import local
from nsg_cluster.runs.control import resubmit
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.submit import make_plan, submit
from tests.contract.runs import Bench, bench, until

__all__ = ["bench"]
TOKEN = "hf_plantedT0ken"


class Site:
    """A site of this machine with scratch and secrets, and data to copy."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.scratch = bench, bench.root / "scratch"
        self.data = bench.root / "my data"
        self.data.mkdir()
        (self.data / "transforms_train.json").write_text("{}")
        self.secrets = bench.root / "secrets"
        self.secrets.write_text(f"HF_TOKEN={TOKEN}\n")
        self.secrets.chmod(0o600)
        self.write()

    def write(self, scratch: str = "$NODE_DISK/jobs", scheduler: str = "local") -> None:
        lines = ["name: here", f"scheduler: {scheduler}", f"storage: {self.bench.root}", f"scratch: {scratch}"]
        file = self.bench.root / "here.yaml"
        file.write_text("\n".join([*lines, f"secrets: {self.secrets}", ""]))
        self.bench.site = str(file)

    def submit(self, description: str = "reads", **settings: object) -> RunPaths:
        file = self.bench.write(description=description, **settings)  # type: ignore[arg-type]
        text = re.sub("^data: .*$", f"data: {{kind: blender, root: {self.data}}}", file.read_text(), flags=re.MULTILINE)
        file.write_text(text)
        return submit(make_plan(file, ["resources.scratch={data: true, results: true}"], site=self.bench.site))


@pytest.fixture
def site(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("NODE_DISK", str(bench.root / "scratch"))
    return Site(bench)


def test_data_is_read_from_scratch_and_results_come_back_from_it(site: Site) -> None:
    run = site.submit("reads")
    assert site.bench.wait(run).state == "succeeded"
    said = run.task(0).log_out.read_text()
    assert f"copied 1 files, 2 B, of {site.data} to {site.scratch}/jobs/nsg-" in said
    assert f"\nreads ['transforms_train.json'] in {site.scratch}/jobs/nsg-" in said
    paths = run.task(0)
    for path in (paths.previews, paths.renders / "orbit.txt", paths.metrics, paths.stages):
        assert path.exists(), path
    assert not list((site.scratch / "jobs").iterdir()), "nothing is left behind"


@pytest.mark.parametrize("description", ["fail at 3", "exit 7", "crash"])
def test_results_come_back_from_a_task_that_fails(site: Site, description: str) -> None:
    run = site.submit(description, steps=10)
    assert site.bench.wait(run).state == "failed"
    assert bool(list(run.task(0).root.glob("previews/*.png"))) == (description == "fail at 3")
    assert not list((site.scratch / "jobs").iterdir())


def test_results_come_back_from_a_task_that_is_killed(site: Site) -> None:
    run = site.submit(steps=1000)
    site.bench.wait_for_step(run)
    os.kill(site.bench.stage_process(run), signal.SIGKILL)
    assert site.bench.wait(run).state == "failed"
    assert len(list(run.task(0).previews.iterdir())) == 1


def test_results_come_back_at_the_warning_though_the_task_does_not_hear_it(site: Site) -> None:
    run = site.submit("deaf", steps=2000, walltime="6s")
    site.bench.wait_for_step(run)
    assert not run.task(0).previews.exists()
    until(lambda: list(run.task(0).root.glob("previews/*.png")), "a picture at the warning")
    assert site.bench.wait(run).state == "timeout"


def test_each_attempt_has_the_data_copied_anew_and_finds_the_results_so_far(site: Site) -> None:
    run = site.submit("reads", steps=130, walltime="6s")
    row = site.bench.wait(run)
    attempts = row.tasks[0].status.attempt
    assert row.state == "succeeded" and attempts >= 2
    reads = [line.split(" in ")[1] for line in run.task(0).log_out.read_text().splitlines() if line.startswith("reads")]
    assert len(set(reads)) == len(reads) == attempts
    assert len(list(run.task(0).previews.iterdir())) == attempts
    assert not list((site.scratch / "jobs").iterdir())


def test_a_task_whose_data_cannot_be_copied_fails_with_a_sentence_before_it_starts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch_without_data(*arguments: Any) -> None:
        site.data.rename(site.bench.root / "moved")
        launch(*arguments)

    launch = local.launch
    monkeypatch.setattr(local, "launch", launch_without_data)
    run = site.submit("reads")
    status = site.bench.wait(run).tasks[0].status
    assert (status.state, status.exit_status) == ("failed", 2)
    assert status.reason == f"data.root: {site.data}: cannot be read: No such file or directory"
    assert "training" not in run.task(0).log_out.read_text()


def test_secrets_reach_the_program_that_computes_and_nothing_else(site: Site) -> None:
    run = site.submit("digest HF_TOKEN")
    row = site.bench.wait(run)
    assert row.state == "succeeded", row.tasks[0].status.reason
    assert hashlib.sha256(TOKEN.encode()).hexdigest() in run.task(0).log_out.read_text()
    found = [path for path in site.bench.root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert found == [site.secrets]


def test_secrets_that_others_may_read_are_refused_before_anything_is_written_and_again_in_the_job(site: Site) -> None:
    site.secrets.chmod(0o644)
    with pytest.raises(ConfigError, match=r"mode 0644\); correct it with: chmod 600"):
        site.submit()
    assert not all_runs(site.bench.storage)
    site.secrets.chmod(0o600)
    run = site.submit(steps=1000)
    site.bench.wait_for_step(run)
    site.secrets.chmod(0o644)
    os.kill(site.bench.stage_process(run), signal.SIGKILL)
    site.bench.wait(run)
    resubmit(run)
    status = site.bench.wait(run).tasks[0].status
    assert (status.state, status.exit_status) == ("failed", 2) and status.reason.endswith(f"chmod 600 {site.secrets}")


def test_a_variable_that_is_not_set_is_an_error_at_submission(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_DISK")
    with pytest.raises(ConfigError, match=r"site here: scratch: \$NODE_DISK is not set here"):
        site.submit()
    monkeypatch.setenv("SGE_LOCALDIR", str(site.bench.root))
    site.write(scratch="$SSG_LOCALDIR")
    with pytest.raises(ConfigError, match=r"\$SSG_LOCALDIR is not set here. Did you mean 'SGE_LOCALDIR'\?"):
        site.submit()
    site.bench.site = None
    with pytest.raises(ConfigError, match=r"resources.scratch: site local has no scratch"):
        site.submit()
    with pytest.raises(ConfigError, match=r"resources.scratch.data: these data are made, not read"):
        site.write(scratch="/tmp")
        make_plan(site.bench.write(), ["resources.scratch={data: true}"], site=site.bench.site)
    assert not all_runs(site.bench.storage)
