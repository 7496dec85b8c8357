"""The same things done with every scheduler, for real, as an ordinary user: see `tests.executor.drive`."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.cluster import Cluster
from tests.clusters.fixtures import KINDS, Get
from tests.clusters.interpreter import interpreter

Story = dict[str, Any]


@pytest.fixture(scope="module")
def stories(clusters: Get, once: Callable[[str, Callable[[], Any]], Any]) -> dict[str, Story | str]:
    """Return what happened with each scheduler, or why it is missing; they are told at the same time."""

    def tell_all() -> dict[str, Story | str]:
        with ThreadPoolExecutor() as pool:
            told = {name: pool.submit(tell, found) if (found := get(name)) else None for name in KINDS}
            return {name: job.result() for name, job in told.items() if job}

    def get(name: str) -> Cluster | None:
        try:
            return clusters(name)
        except pytest.skip.Exception:
            return None

    found: dict[str, Story | str] = once("stories", tell_all)
    return found


def tell(cluster: Cluster) -> Story:
    """Let it happen with one scheduler."""
    folder = cluster.work()
    kind = "pbs" if "pbs" in cluster.name else cluster.name
    argv = [str(interpreter(cluster.account)), "-m", "tests.executor.drive", kind, str(folder)]
    told: Story = json.loads(cluster.run(*argv, cwd=folder, timeout_s=200).splitlines()[-1])
    return told | {"folder": str(folder)}


@pytest.fixture(scope="module", params=list(KINDS))
def story(request: pytest.FixtureRequest, clusters: Get, stories: dict[str, Story]) -> Story:
    """Return what happened with one scheduler after the other."""
    if request.param not in stories:
        clusters(request.param)  # says what is missing
    return stories[request.param]


def states(jobs: list[Story]) -> list[str]:
    """Return the states of jobs, all of which must be over."""
    assert all(job["done"] for job in jobs), jobs
    return [job["State"] for job in jobs]


def test_an_array_is_one_call_and_each_element_has_its_own_end(story: Story) -> None:
    jobs = story["outcomes"]
    number = jobs[0]["id"].split("_")[0]
    assert [job["id"] for job in jobs] == [f"{number}_{index}" for index in range(5)]
    assert states(jobs) == ["COMPLETED", "FAILED", "FAILED", "FAILED", "COMPLETED"]
    assert jobs[0]["result"] == 7
    assert "ValueError: too bad" in jobs[1]["error"]
    assert "has not produced any output (state: FAILED)" in jobs[2]["error"]
    assert "Killed" in jobs[3]["error"]


def test_nothing_is_submitted_twice(story: Story) -> None:
    parts = ("outcomes", "continued", "elements", "held", "blocked", "hostile", "orphan")
    jobs = {job["id"].split("_")[0] for part in parts for job in story[part]}
    assert len(jobs) == len(parts)
    # Where a job is to follow one that fails, that one is submitted as well.
    assert story["submissions"] == len(jobs) + ("gridengine" not in story["folder"])


def test_a_job_knows_who_it_is(story: Story) -> None:
    job = story["outcomes"][4]
    assert (job["result"]["NSG_JOB_ID"], job["result"]["NSG_TASK"]) == (job["id"], "4")
    assert job["result"]["cwd"] == story["folder"]


def test_a_function_goes_on_after_its_time_limit_until_it_is_done(story: Story) -> None:
    jobs = story["continued"]
    assert states(jobs) == ["COMPLETED", "COMPLETED"]
    assert [job["result"] for job in jobs] == [80, 80]
    for index, job in enumerate(jobs):
        lines = (Path(story["folder"]) / f"count{index}").read_text().splitlines()
        assert [line for line in lines if line.startswith("step")] == [f"step {count}" for count in range(80)]
        log = (Path(story["folder"]) / "continued" / f"{job['id']}_0_log.out").read_text()
        attempts = log.count("Starting with JobEnvironment")
        assert attempts >= 2
        assert lines.count("checkpoint") == attempts - 1, "one checkpoint each time, though signals came twice"


def test_cancelling_elements_leaves_the_others_alone(story: Story) -> None:
    jobs = story["elements"]
    assert states(jobs) == ["CANCELLED", "COMPLETED", "COMPLETED", "CANCELLED", "COMPLETED"]
    assert [job["result"] for job in jobs] == [None, "awake", "awake", None, "awake"]


def test_a_held_job_waits_and_can_be_cancelled_though_no_record_of_it_remains(story: Story) -> None:
    assert states(story["held"]) == ["CANCELLED"]


def test_a_job_that_can_never_start_is_not_waited_for(story: Story) -> None:
    assert states(story["blocked"]) == ["BLOCKED"]


def test_hostile_names_do_nothing(story: Story) -> None:
    (job,) = story["hostile"]
    assert states([job]) == ["COMPLETED"]
    assert job["result"]["NSG_JOB_ID"] == job["id"]
    assert not list(Path(story["folder"]).rglob("[xy]"))


def test_a_job_whose_launcher_died_right_after_the_submission_runs(story: Story) -> None:
    (job,) = story["orphan"]
    assert (states([job]), job["result"]) == (["COMPLETED"], "awake")


def test_one_query_serves_all_jobs(story: Story) -> None:
    # At most one every two seconds, for seventeen jobs in seven submissions.
    assert story["queries"] <= story["seconds"] / 2 + 2


def test_what_is_refused_is_told_with_the_schedulers_words(story: Story) -> None:
    said = story["refusals"]
    assert "nothing was submitted" in said["queue"]
    assert any(words in said["queue"] for words in ("unknown queue", "Unknown queue", "invalid partition"))
    if "gridengine" in story["folder"]:
        assert 'project "nosuch" does not exist' in said["group"]
        assert "no parallel_environment" in said["amount"]
    else:
        assert "BLOCKED" in said["amount"]
