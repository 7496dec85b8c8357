"""The quickstart in an image that was built from ``docker/Dockerfile.cpu``: here, under Slurm and under Grid Engine.

Everything is real: Apptainer as an ordinary user, schedulers, training. The containers have no network.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.account import Unavailable
from tests.clusters.cluster import Cluster
from tests.clusters.fixtures import Get
from tests.containers.cpu_image import CHECKOUT, cpu_image
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher

PATIENCE_S = 300.0
SMALL = ("data.image_size=24", "data.train_views=8", "data.test_views=1", "render.frames=2", "train.rays=256")
SITES = {
    "local": "name: here\n",
    "slurm": "name: there\nscheduler: slurm\n",
    "gridengine": "name: there\nscheduler: gridengine\nparallel_environment: smp\n",
}


@pytest.fixture(scope="session")
def image(engines: Engines) -> Path:
    """Return the image."""
    try:
        return cpu_image(engines)
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")


class Site:
    """A machine, or a cluster with Apptainer, and what tests do there."""

    def __init__(self, kind: str, engines: Engines, image: Path, cluster: Cluster | None) -> None:
        self.launcher = Launcher(engines, engines.work())
        scheduler = {**cluster.env, "PATH": f"{cluster.bin}:{engines.env['PATH']}"} if cluster else {}
        self.env = {**engines.env, **scheduler}
        # What a node's profile or a module would bring: programs of schedulers and containers.
        environment = {"PATH": self.env["PATH"], "OMP_NUM_THREADS": "1", "TOKEN": "of the site"}
        container = {"image": str(image), "options": ["--net", "--network=none"]}
        text = f"{SITES[kind]}environment: {json.dumps(environment)}\ncontainer: {json.dumps(container)}\n"
        self.file = self.launcher.write("site.yaml", text)

    def submit(self, *words: str) -> Path:
        """Start the quickstart, made small, and return the run's folder."""
        experiment = (str(CHECKOUT / "configs/quickstart.yaml"), *SMALL, *words)
        done = self.launcher.run(*experiment, "--site", self.file, "--detach", "--json", **self.env)
        assert done.returncode == 0, done.stderr
        return Path(json.loads(done.stdout)["folder"])

    def status(self, run: Path) -> dict[str, Any]:
        """Return what is known of a run."""
        done = self.launcher.run("status", run, "--json", **self.env)
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)["runs"]
        return row  # type: ignore[no-any-return]

    def wait(self, run: Path, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """Wait until a run has ended, or has come to something."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            row = self.status(run)
            if (until or (lambda row: row["state"] not in {"queued", "running"}))(row):
                return row
            assert time.monotonic() < deadline, row
            time.sleep(1.0)


@pytest.fixture(params=list(SITES))
def site(request: pytest.FixtureRequest, engines: Engines, image: Path, clusters: Get) -> Site:
    """Return each site in turn."""
    return Site(request.param, engines, image, None if request.param == "local" else clusters(request.param))


def logs(run: Path) -> str:
    """Return what the tasks of a run and their jobs have said, for the message of a failed test."""
    found = [*run.glob("tasks/*/log.*"), *run.glob("submitit/*log*"), run / "supervisor.log"]
    return "\n".join(f"{path}: {path.read_text()[-1500:]}" for path in found if path.is_file())


def test_an_array_and_what_is_queued_again_at_the_time_limit_run_in_the_image(site: Site, image: Path) -> None:
    run = site.submit("sweep={grid: {seed: [1, 2]}}", "train.steps=800", "resources.walltime=30m", "--max-parallel=2")
    site.wait(run, lambda row: (row["tasks"][0]["step"] or 0) > 5)
    # What the clock in the job sends before the time limit.
    os.kill(json.loads((run / "tasks/0/status.json").read_text())["pid"], signal.SIGUSR2)
    row = site.wait(run)
    assert row["state"] == "succeeded", logs(run)
    assert [task["attempt"] for task in row["tasks"]] == [2, 1], logs(run)
    for task in (run / "tasks/0", run / "tasks/1"):
        environment = json.loads((task / "environment.json").read_text())
        assert (environment["image"], environment["python"][:4]) == (str(image), "3.11"), environment
        # Nothing of the checkout, which may be edited meanwhile.
        assert environment["package"] == f"{run}/source/nsg_cluster"
        assert json.loads((task / "metrics.json").read_text())
        assert (task / "renders/orbit.mp4").stat().st_size > 0


def test_a_cancel_reaches_the_program_in_the_image_once_and_it_goes_on_from_its_checkpoint(site: Site) -> None:
    run = site.submit("train.steps=20000")
    site.wait(run, lambda row: (row["tasks"][0]["step"] or 0) > 20)
    done = site.launcher.run("cancel", run, **site.env)
    assert done.returncode == 0, done.stderr
    row = site.wait(run)
    assert row["state"] == "cancelled", logs(run)
    assert list((run / "tasks/0/checkpoints").glob("*.sha256")), logs(run)
    assert (run / "tasks/0/log.out").read_text().count("cancel") <= 1
