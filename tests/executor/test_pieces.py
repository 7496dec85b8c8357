"""A real training that its time limit cuts into pieces on real schedulers ends with the bits of one that is not cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsg_cluster.config.compose import load
from nsg_cluster.core.paths import RunPaths
from tests.contract.cluster import SITES, Users
from tests.contract.person import UserOfCluster
from tests.training.test_loop import assert_same_result, final
from tests.training.tiny import TINY

SLOW = Path(__file__).resolve().parents[1] / "contract" / "slow_training"
STEPS, PIECES = 480, 5
# A training must have its number of threads in all pieces; evaluation and videos are left small.
SETTINGS = [
    "resources.cpus=1",
    f"train.steps={STEPS}",
    "evaluate.max_views=1",
    "render.frames=2",
    "render.formats=[png]",
]


def submit(person: UserOfCluster, *settings: str, walltime: str | None) -> RunPaths:
    """Submit the training, with a time limit in slow steps and without one as it is."""
    person.environment["PYTHONPATH"] = str(SLOW) if walltime else ""
    file = person.write(person.root / "tiny.json.yaml", json.dumps(TINY))
    limit = [f"resources.walltime={walltime}"] if walltime else []
    argv = ["submit", str(file), *SETTINGS, *settings, *limit, "--site", person.site, "--detach", "--json"]
    run = RunPaths(Path(json.loads(person.type(*argv))["folder"]))
    person.runs.append(run)
    return run


@pytest.mark.parametrize(("kind", "processes"), [("slurm", 1), ("gridengine", 2)])
def test_a_run_that_is_cut_into_five_pieces_ends_with_the_bits_of_an_uncut_one(
    kind: str, processes: int, users: Users
) -> None:
    cluster, server = users(kind)
    root = cluster.work()
    site = cluster.account.write(root / "site.yaml", f"name: cluster\nstorage: /nowhere\n{SITES[kind]}")
    person = UserOfCluster(root=root, site=str(site), cluster=cluster, server=server, patience_s=400.0)
    try:
        # Eighteen seconds until the warning: ninety quick steps, and one in each second that is left.
        settings = f"train.processes={processes}"
        cut, uncut = submit(person, settings, walltime="24s"), submit(person, settings, walltime=None)
        rows = [person.wait(run) for run in (cut, uncut)]
        assert [row["state"] for row in rows] == ["succeeded", "succeeded"], rows
        assert rows[0]["tasks"][0]["attempt"] >= PIECES and rows[1]["tasks"][0]["attempt"] == 1
        experiment = load(cut.task(0).spec, variables={})
        snapshots = [final(run.task(0), experiment) for run in (cut, uncut)]
        assert snapshots[0].step == STEPS
        assert_same_result(*snapshots)
        assert rows[0]["psnr"] == rows[1]["psnr"]
    finally:
        person.end_everything()
