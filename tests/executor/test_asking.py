"""Conversations with every scheduler, for real: see `tests.executor.asking`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clusters.cluster import Cluster
from tests.clusters.interpreter import interpreter
from tests.clusters.pbs import FakePbs


def ask(cluster: Cluster, what: str, *more: str) -> dict[str, Any]:
    """Return what was found."""
    folder = cluster.work()
    kind = "pbs" if "pbs" in cluster.name else cluster.name
    argv = [str(interpreter(cluster.account)), "-m", "tests.executor.asking", kind, what, str(folder), *more]
    found: dict[str, Any] = json.loads(cluster.run(*argv, cwd=folder, timeout_s=120))
    return found


def test_jobs_are_found_by_their_whole_name(cluster: Cluster) -> None:
    told = ask(cluster, "names")
    assert told["found"] == told["submitted"]


def test_ends_are_told_apart_and_an_unknown_job_is_no_mistake(cluster: Cluster) -> None:
    told = ask(cluster, "ends")
    assert told["states"] == ["succeeded", "failed", "failed"]
    assert told["details"] == [[0, None], [3, None], [None, 9]]
    assert told["unknown"] is False


def test_a_whole_array_is_cancelled_with_one_word_and_twice_does_no_harm(cluster: Cluster) -> None:
    told = ask(cluster, "array")
    assert told["known"] == 20
    # Grid Engine forgets elements that never ran, and cannot tell a cancellation from another kill.
    assert set(told["after"]) <= ({"failed"} if cluster.name == "gridengine" else {"cancelled"})


def test_a_thousand_elements_are_one_call_to_submit_and_one_to_look_at(cluster: Cluster) -> None:
    told = ask(cluster, "large")
    assert told["known"] == 1000
    assert told["submitted_s"] < 3
    assert told["looked_s"] < 3


def test_grid_engine_queues_a_job_though_its_qsub_fails(gridengine: Cluster) -> None:
    gridengine.run("qconf", "-aattr", "queue", "user_lists", "arusers", "gpu")
    try:
        folder = gridengine.work()
        script = gridengine.account.write(folder / "job.sh", "#!/bin/bash\n")
        done = gridengine.account.run(["qsub", "-terse", str(script)], env=gridengine.env, cwd=folder)
        assert done.returncode == 1, "the case that is to be tested"
        told = ask(gridengine, "names")
    finally:
        gridengine.run("qconf", "-dattr", "queue", "user_lists", "arusers", "gpu")
    assert told["found"] == told["submitted"]


def test_a_pbs_that_is_down_or_prints_broken_json(pbs: Cluster) -> None:
    if not isinstance(pbs, FakePbs):
        pytest.skip("the real PBS of this machine is not to be broken")
    told = ask(pbs, "silence", str(pbs.state))
    assert "cannot connect to server" in told["down"]
    assert told["broken_json"] in {"queued", "starting", "running"}
