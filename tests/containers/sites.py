"""A machine, or a cluster with Apptainer, whose tasks run in an image that has no network: what tests do there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nsg_cluster.runs.status import WORST_FIRST
from tests.clusters.cluster import Cluster
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher

__all__ = ["SITES", "Site", "logs"]

PATIENCE_S = 300.0
SITES = {
    "local": "name: here\n",
    "slurm": "name: there\nscheduler: slurm\n",
    "gridengine": "name: there\nscheduler: gridengine\nparallel_environment: smp\n",
}


class Site:
    """A machine, or a cluster."""

    def __init__(self, kind: str, engines: Engines, image: Path, cluster: Cluster | None) -> None:
        self.launcher = Launcher(engines, engines.work())
        scheduler = {**cluster.env, "PATH": f"{cluster.bin}:{engines.env['PATH']}"} if cluster else {}
        self.env = {**engines.env, **scheduler}
        # What a node's profile or a module would bring: programs of schedulers and containers.
        environment = {"PATH": self.env["PATH"], "OMP_NUM_THREADS": "1", "TOKEN": "of the site"}
        container = {"image": str(image), "options": ["--net", "--network=none"]}
        text = f"{SITES[kind]}environment: {json.dumps(environment)}\ncontainer: {json.dumps(container)}\n"
        self.file = self.launcher.write("site.yaml", text)

    def submit(self, *words: str | Path) -> Path:
        """Start a run and return its folder."""
        done = self.launcher.run(*words, "--site", self.file, "--detach", "--json", **self.env)
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
            if (until or (lambda row: row["state"] in WORST_FIRST))(row):
                return row
            assert time.monotonic() < deadline, row
            time.sleep(1.0)


def logs(run: Path) -> str:
    """Return what the tasks of a run and their jobs have said, for the message of a failed test."""
    found = [*run.glob("tasks/*/log.*"), *run.glob("submitit/*log*"), run / "supervisor.log"]
    return "\n".join(f"{path}: {path.read_text()[-1500:]}" for path in found if path.is_file())
