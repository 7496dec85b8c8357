"""The quickstart in an image that was built from ``docker/Dockerfile.cpu``: here, under Slurm and under Grid Engine.

Everything is real: Apptainer as an ordinary user, schedulers, training. The containers have no network.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.clusters.account import Unavailable
from tests.clusters.fixtures import Get
from tests.containers.cpu_image import CHECKOUT, cpu_image
from tests.containers.engines import Engines
from tests.containers.sites import SITES, Site, logs

SMALL = ("data.image_size=24", "data.train_views=8", "data.test_views=1", "render.frames=2", "train.rays=256")


@pytest.fixture(scope="session")
def image(engines: Engines) -> Path:
    """Return the image."""
    try:
        return cpu_image(engines)
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")


@pytest.fixture(params=list(SITES))
def site(request: pytest.FixtureRequest, engines: Engines, image: Path, clusters: Get) -> Site:
    """Return each site in turn."""
    return Site(request.param, engines, image, None if request.param == "local" else clusters(request.param))


def quickstart(site: Site, *words: str) -> Path:
    """Start the quickstart, made small, and return the run's folder."""
    return site.submit(CHECKOUT / "configs/quickstart.yaml", *SMALL, *words)


def test_an_array_and_what_is_queued_again_at_the_time_limit_run_in_the_image(site: Site, image: Path) -> None:
    run = quickstart(
        site, "sweep={grid: {seed: [1, 2]}}", "train.steps=800", "resources.walltime=30m", "--max-parallel=2"
    )
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
    run = quickstart(site, "train.steps=20000")
    site.wait(run, lambda row: (row["tasks"][0]["step"] or 0) > 20)
    done = site.launcher.run("cancel", run, **site.env)
    assert done.returncode == 0, done.stderr
    row = site.wait(run)
    assert row["state"] == "cancelled", logs(run)
    assert list((run / "tasks/0/checkpoints").glob("*.sha256")), logs(run)
    assert (run / "tasks/0/log.out").read_text().count("cancel") <= 1
