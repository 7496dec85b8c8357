"""What every scheduler owes beside the contract of all executors."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.find import all_runs
from tests.clusters.cluster import Cluster
from tests.clusters.fixtures import Get
from tests.contract.executor import SWEEP, ExecutorContract
from tests.contract.person import Failed, Server, UserOfCluster, server_of, states
from tests.contract.runs import until

__all__ = ["SITES", "ClusterContract", "Users", "users"]

# What the administrators of the tests' clusters would write.
SITES = {
    "slurm": "scheduler: slurm\n",
    "gridengine": (
        "scheduler: gridengine\ngroup: gaa50000\ngroup_flag: -g\n"
        "resource_types: {rt_G.small: {gpus: 1, cpus: 1, memory: 1GiB}}\nlimits: {default_walltime: 1h}\n"
    ),
    "fake-pbs": "scheduler: pbs\n",
    "real-pbs": "scheduler: pbs\n",
}
# Dies where a launcher may die: right after the submit command has answered, before that is written down.
DIES = """
import os, sys
from nsg_cluster.executor import client
submit = client.Client.submit
def dying(*arguments):
    submit(*arguments)
    os._exit(9)
client.Client.submit = dying
from nsg_cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


Users = Callable[[str], tuple[Cluster, Server]]


@pytest.fixture(scope="session")
def users(clusters: Get) -> Iterator[Users]:
    """Return what gives a cluster and the process that runs the commands of its user."""
    with ExitStack() as stack:
        found: dict[str, Server] = {}

        def get(kind: str) -> tuple[Cluster, Server]:
            cluster = clusters(kind)
            if kind not in found or found[kind].poll() is not None:
                found[kind] = stack.enter_context(server_of(cluster))
            return cluster, found[kind]

        yield get


def jobs_of(run: RunPaths) -> list[str]:
    """Return the numbers of the jobs of a run."""
    return [made["job"]["number"] for made in read_json(run.jobs)["submissions"]]


class ClusterContract(ExecutorContract):
    """Inherit it, and say in ``kind`` which scheduler."""

    kind: str

    @pytest.fixture
    def person(self, users: Users) -> Iterator[UserOfCluster]:
        """Return an ordinary user of the cluster, with a storage of its own for each test."""
        cluster, server = users(self.kind)
        root = cluster.work()
        site = cluster.account.write(root / "site.yaml", f"name: cluster\nstorage: /nowhere\n{SITES[self.kind]}")
        found = UserOfCluster(root=root, site=str(site), cluster=cluster, server=server)
        yield found
        found.end_everything()

    def test_doctor_finds_the_scheduler_and_what_the_file_of_a_site_gets_wrong(self, person: UserOfCluster) -> None:
        def checks(site: str) -> dict[str, dict[str, Any]]:
            _, out, err = person.command(["doctor", "--site", site, "--json"], person.variables, person.root)
            assert out, err
            return {check["name"]: check for check in json.loads(out)["checks"]}

        found = checks(person.site)
        name = {"fake-pbs": "pbs", "real-pbs": "pbs"}.get(self.kind, self.kind)
        assert all(found[check]["ok"] for check in (name, "answers", "storage"))
        wrong = f"name: wrong\n{SITES[self.kind]}scratch: $SSG_LOCALDIR\nmodules: [x]\nmodules_init: /nowhere\n"
        wrong += {"slurm": "queue: debgu\n", "gridengine": "queue: rt_G.smal\n"}.get(self.kind, "")
        found = checks(str(person.write(person.root / "wrong.yaml", wrong)))
        assert not found["variable"]["ok"] and "$SSG_LOCALDIR" in found["variable"]["found"]
        assert "/nowhere: no such file" in found["modules"]["found"]
        if self.kind in {"slurm", "gridengine"}:
            near = {"slurm": "debug", "gridengine": "rt_G.small"}[self.kind]
            assert not found["pieces"]["ok"] and f"Did you mean '{near}'?" in found["pieces"]["advice"]

    def test_an_array_of_twenty_is_one_call(self, person: UserOfCluster) -> None:
        calls = person.replace("submit")
        seeds = ", ".join(map(str, range(20)))
        run = person.submit(f"sweep={{grid: {{seed: [{seeds}]}}}}", steps=1)
        row = person.wait(run)
        assert states(row) == ["succeeded"] * 20
        (job,) = jobs_of(run)
        assert [task["job_id"] for task in row["tasks"]] == [f"{job}_{index}" for index in range(20)]
        assert len(calls.read_text().splitlines()) == 1

    def test_a_launcher_that_died_after_the_submission_has_submitted_once(self, person: UserOfCluster) -> None:
        calls = person.replace("submit")
        argv = ["submit", str(person.spec(steps=3)), SWEEP, "--site", person.site, "--detach", "--json"]
        launcher = person.start(DIES, *argv)
        assert launcher.wait(timeout=60) == 9
        launcher.communicate()
        (run,) = all_runs(StoragePaths(person.root))
        person.runs.append(run)
        assert read_json(run.jobs)["submissions"][0]["job"] is None
        # The same command once more is the same run; nothing is submitted a second time.
        assert json.loads(person.type(*argv))["id"] == person.row(run)["id"]
        assert person.wait(run)["state"] == "succeeded"
        assert len(jobs_of(run)) == 1 and len(calls.read_text().splitlines()) == 1
        assert "nothing to do" in person.type("resubmit", str(run.root), "--detach")

    def test_a_job_that_ended_before_anybody_looked_is_found_by_its_token(self, person: UserOfCluster) -> None:
        argv = ["submit", str(person.spec(steps=1)), "--site", person.site, "--detach"]
        launcher = person.start(DIES, *argv)
        launcher.communicate(timeout=60)
        (run,) = all_runs(StoragePaths(person.root))
        until(lambda: read_json(run.task(0).status)["state"] == "succeeded")
        assert person.row(run)["state"] == "succeeded"
        assert "nothing to do" in person.type("resubmit", str(run.root), "--detach")

    def test_a_submit_command_that_fails_though_the_job_is_queued_has_submitted_it(self, person: UserOfCluster) -> None:
        calls = person.replace("submit", before="exec > /dev/null", after="echo 'Socket timed out' >&2; exit 1")
        run = person.submit(steps=2)
        assert person.wait(run)["state"] == "succeeded"
        assert len(jobs_of(run)) == 1 and len(calls.read_text().splitlines()) == 1

    def test_a_submission_that_is_refused_leaves_nothing_behind(self, person: UserOfCluster) -> None:
        person.replace("submit", before="echo 'no such queue' >&2; exit 1")
        with pytest.raises(Failed, match="nothing was submitted") as caught:
            person.submit()
        assert "no such queue" in str(caught.value)
        assert not all_runs(StoragePaths(person.root))

    def test_a_path_that_the_scheduler_would_misread_is_refused_with_the_character(
        self, person: UserOfCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for character in self.forbidden:
            folder = person.folder(person.root / f"a{character}b")
            monkeypatch.setitem(person.environment, "NSG_STORAGE", str(folder))
            with pytest.raises(Failed, match=r"misreads .* in a path; choose another storage folder") as caught:
                person.submit()
            assert repr(character) in str(caught.value)
            assert not all_runs(StoragePaths(folder))

    def test_a_scheduler_that_does_not_answer_changes_nothing(self, person: UserOfCluster) -> None:
        run = person.submit(steps=60)
        person.wait_for_step(run)
        program = "squeue" if self.kind == "slurm" else "qstat"
        person.replace(program, before="echo 'Unable to contact the server' >&2; exit 1")
        watcher = read_json(run.task(0).status)["pid"]
        assert person.row(run)["state"] == "running", "its files tell"
        os.kill(watcher, signal.SIGKILL)
        until(lambda: "Unable to contact" in person.row(run)["complaint"])
        assert person.row(run)["state"] == "running"
        with pytest.raises(Failed, match="Unable to contact the server"):
            person.type("resubmit", str(run.root), "--detach")
        (person.root / "bin" / program).unlink()
        assert person.wait(run)["state"] == "failed"

    def test_all_runs_are_one_question(self, person: UserOfCluster) -> None:
        runs = [person.submit(SWEEP, f"name=run-{index}", steps=100) for index in range(4)]
        program = "squeue" if self.kind == "slurm" else "qstat"
        calls = person.replace(program)
        rows = json.loads(person.type("status", "--json"))["runs"]
        assert len(rows) == len(runs)
        if calls.exists():  # where all tasks run already, there is nothing to ask
            assert len(calls.read_text().splitlines()) == 1
        person.type("cancel", *(str(run.root) for run in runs))

    def test_two_launchers_at_once_are_two_runs(self, person: UserOfCluster) -> None:
        argv = ["submit", str(person.spec(steps=2)), SWEEP, "--site", person.site, "--detach"]
        code = "import sys; from nsg_cluster.cli import main; sys.exit(main(sys.argv[1:]))"
        launchers = [person.start(code, *argv) for _ in range(2)]
        ended = [launcher.communicate(timeout=60) for launcher in launchers]
        assert [launcher.returncode for launcher in launchers] == [0, 0], ended
        runs = all_runs(StoragePaths(person.root))
        assert len({job for run in runs for job in jobs_of(run)}) == 2
        assert [person.wait(run)["state"] for run in runs] == ["succeeded", "succeeded"]

    def test_two_that_resubmit_at_once_submit_once(self, person: UserOfCluster) -> None:
        run = person.submit(description="fail at 2", steps=40)
        person.wait(run)
        calls = person.replace("submit")
        code = "import sys; from nsg_cluster.cli import main; sys.exit(main(sys.argv[1:]))"
        launchers = [person.start(code, "resubmit", str(run.root), "--detach") for _ in range(2)]
        said = [launcher.communicate(timeout=60)[1] for launcher in launchers]
        assert len(calls.read_text().splitlines()) == 1, said
        assert sorted(launcher.returncode for launcher in launchers) == [0, 2], said
        assert person.wait(run)["tasks"][0]["attempt"] == 2

    def test_a_run_of_a_cluster_may_be_continued_by_hand(self, person: UserOfCluster) -> None:
        run = person.submit(description="fail at 2", steps=4)
        person.wait(run)
        run.task(0).spec.write_text(run.task(0).spec.read_text().replace("fail at 2", "fine"))
        person.type("train", str(run.root), "--json")
        row = person.row(run)
        assert row["state"] == "succeeded" and row["tasks"][0]["attempt"] == 2
