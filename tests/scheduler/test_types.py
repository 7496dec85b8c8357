"""Job numbers, names, and what cannot be asked for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.scheduler.types import JobId, JobState, Resources, job_name
from tests.scheduler.answers import submission

numbers = st.integers(1, 10**9).map(str)


@given(numbers, st.none() | st.integers(0, 10**6))
def test_the_text_of_a_job_is_read_back(number: str, index: int | None) -> None:
    job = JobId(number, index)
    assert JobId.parse(str(job)) == job
    assert "." not in str(job)


@pytest.mark.parametrize("text", ["", "x", "1_", "1_2_3", "1[2]", "1.pbs1", "45_undefined", "-1", "1_-2", "\u0661"])
def test_what_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a job"):
        JobId.parse(text)


def test_an_element_knows_its_array() -> None:
    array = JobId("7", server="pbs1", is_array=True)
    element = array.element(3)
    assert (str(element), element.is_array, element.server) == ("7_3", False, "pbs1")
    assert element.job == array
    assert element.job.is_array
    assert JobId("7").job == JobId("7")


@given(st.text())
def test_every_text_gives_a_name_that_every_scheduler_takes(text: str) -> None:
    name = job_name(text)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", name)
    assert job_name(name) == name
    assert submission(name=name).name == name


def test_every_state_either_is_over_or_may_still_change() -> None:
    assert {state for state in JobState if state.is_waiting and state.is_over} == set()
    assert not JobState.UNKNOWN.is_over, "an unknown word never means done"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Resources(resource_type="rt_HG", gpus=1),
        lambda: Resources(nodes=0),
        lambda: Resources(walltime_s=0),
        lambda: Resources(cpus=0),
        lambda: Resources(gpus=-1),
        lambda: submission(elements=0),
        lambda: submission(max_parallel=0),
        lambda: submission(name="a b"),
        lambda: submission(options=("-p 1\n#$ -l x=1",)),
    ],
)
def test_what_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]


def test_an_array_of_one_is_a_plain_job() -> None:
    assert not submission(elements=1).is_array
    assert submission(elements=1).ids(JobId("5")) == (JobId("5"),)
    assert submission(elements=2).ids(JobId("5")) == (JobId("5", 0), JobId("5", 1))
