"""``jobs.json``: `nsg_cluster.runs.jobs`, and the tokens of `nsg_cluster.runs.cluster`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.runs.cluster import new_submission
from nsg_cluster.runs.jobs import Jobs, Submitted, read_jobs
from nsg_cluster.scheduler.types import JobId

FIRST = Submitted(token="a", time=1.0, tasks=(0, 1, 2), job=JobId("7", is_array=True, server="pbs1"))
SECOND = Submitted(token="b", time=2.0, tasks=(1,), job=JobId("9"))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    assert read_jobs(run) is None
    jobs = Jobs(scheduler="pbs", submissions=(FIRST, replace(SECOND, job=None)), by_hand=frozenset({2}))
    jobs.write(run)
    found = read_jobs(run)
    assert found == jobs and found.is_open
    job = found.submissions[0].job
    assert job and (job.server, job.is_array) == ("pbs1", True), "what PBS appends is kept"


@pytest.mark.parametrize("text", ["", "{}", '{"scheduler": "pbs", "submissions": [{}], "by_hand": []}'])
def test_damage_is_told_with_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    run = RunPaths(tmp_path)
    run.jobs.write_text(text)
    with pytest.raises(RunError, match=r"jobs\.json"):
        read_jobs(run)


def test_the_newest_submission_of_a_task_counts() -> None:
    jobs = Jobs(scheduler="pbs", submissions=(FIRST,)).with_(SECOND)
    assert {index: made.token for index, made in jobs.newest().items()} == {0: "a", 1: "b", 2: "a"}
    assert FIRST.elements() == {index: JobId("7", index) for index in range(3)}
    assert SECOND.elements() == {1: JobId("9")}, "a submission of one task is a plain job"
    known = jobs.with_(replace(SECOND, job=JobId("10")))
    assert [made.job for made in known.submissions] == [FIRST.job, JobId("10")]


def test_tokens_are_names_of_jobs_that_differ_however_long_the_experiments_name_is() -> None:
    long = "x" * 64
    first = new_submission("k3x9a2", long, [0, 1])
    second = new_submission("k3x9a2", long, [1], Jobs(scheduler="pbs", submissions=(first,)))
    assert first.token.startswith("k3x9a2-xxx") and second.token.startswith("k3x9a2.2-xxx")
    assert max(len(first.token), len(second.token)) <= 60
