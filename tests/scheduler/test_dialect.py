"""What all dialects have in common."""

from __future__ import annotations

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.scheduler.dialect import Dialect, check_cancellation, checked_path, hours, unreadable
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import JobId, Resources
from tests.scheduler.answers import answer, submission


@pytest.fixture(params=[GridEngine(), Pbs(), Slurm()], ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Return each dialect in turn."""
    chosen: Dialect = request.param
    return chosen


def test_a_plain_job_needs_no_option_but_a_name(dialect: Dialect) -> None:
    options = dialect.directives(submission(resources=Resources()))
    assert any("lego" in option for option in options)
    assert not any("None" in option for option in options)
    assert dialect.submit_argv(submission(), "job.sh")[-1] == "job.sh"


def test_nothing_secret_or_large_is_passed_by_the_submit_command(dialect: Dialect) -> None:
    argv = dialect.submit_argv(submission(elements=5, group="g"), "job.sh")
    assert not {"-v", "-V", "--export"} & set(argv)


def test_what_says_nothing_is_no_submission(dialect: Dialect) -> None:
    for said in ("", "hello", "error 12 in line 5"):
        with pytest.raises(MachineError, match="nothing was submitted"):
            dialect.parse_submission(answer(said))


def test_a_query_asks_once_however_many_jobs_there_are(dialect: Dialect) -> None:
    jobs = [JobId("7").element(index) for index in range(10_000)] + [JobId("8")]
    for argv in dialect.queue_argvs(jobs, "me"):
        assert len(argv) < 12
    assert len(dialect.accounting_argv(jobs, "me", 0.0) or []) < 12


def test_durations_pass_a_day_and_an_hour_needs_no_zero() -> None:
    assert [hours(seconds) for seconds in (59, 3600, 604_800)] == ["0:00:59", "1:00:00", "168:00:00"]


def test_a_harmless_complaint_beside_a_harmful_one_hides_nothing() -> None:
    import re

    harmless = re.compile("gone")
    check_cancellation(answer("gone", status=1), harmless)
    for said in ("gone\nforbidden", ""):
        with pytest.raises(MachineError):
            check_cancellation(answer(err=said, status=1), harmless)


def test_long_answers_are_shortened_from_the_front() -> None:
    assert str(unreadable(answer(err="x" * 9000 + "the end", status=1), "why")).endswith("the end'")
    assert checked_path("X", "/a", ":") == "/a"
