"""The contract on real Slurm and Grid Engine, on a fake PBS, and on a real one where this machine has one."""

from __future__ import annotations

from nsg_cluster.core.files import read_json
from tests.contract.cluster import ClusterContract
from tests.contract.person import Person


class TestSlurm(ClusterContract):
    """Slurm with accounts."""

    kind = "slurm"
    forbidden = "\\"


class TestGridEngine(ClusterContract):
    """Grid Engine with ABCI's resource types."""

    kind = "gridengine"
    forbidden = "$,\n"


class TestFakePbs(ClusterContract):
    """PBS as recorded answers have it."""

    kind = "fake-pbs"
    forbidden = ":,\n"

    def test_a_run_waits_for_another_whose_job_goes_on_under_another_number(self, person: Person) -> None:
        first = person.submit(steps=180, walltime="6s")
        second = person.submit("name=second", options=("--after", str(first.root)))
        assert person.wait(second)["state"] == "succeeded"
        before, after = (read_json(run.task(0).status) for run in (first, second))
        assert before["attempt"] >= 2 and before["state"] == "succeeded"
        assert before["ended"] <= after["started"] and after["attempt"] == 1


class TestRealPbs(TestFakePbs):
    """PBS itself."""

    kind = "real-pbs"
