"""Slurm: what is asked, and what recorded answers mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import MachineError
from nsg_cluster.scheduler.slurm import STATES, Slurm
from nsg_cluster.scheduler.types import Dependency, JobId, JobState, Resources
from tests.scheduler.answers import answer, recorded, states, submission

SLURM = Slurm()


def queue(text: str) -> str:
    """Return recorded lines, which end with the reason, with a name in the last field."""
    return "".join(f"{line}|a|b\n" for line in text.splitlines())


def test_replies_to_a_submission() -> None:
    for text in ("Submitted batch job 18\n", "18\n", "18;cluster2\n", "Submitted batch job 18 on cluster c2\n"):
        assert SLURM.parse_submission(answer(text)) == JobId("18")
    said = recorded("slurm/err_part.txt").split("Submitted")[0]
    with pytest.raises(MachineError, match="sinfo") as caught:
        SLURM.parse_submission(answer(err=said, status=1))
    assert said.strip() in str(caught.value)


def test_elements_on_lines_of_their_own_and_in_ranges_say_the_same() -> None:
    apart = SLURM.parse_queue(answer(queue(recorded("slurm/squeue_r.txt"))))
    together = SLURM.parse_queue(answer(queue(recorded("slurm/squeue_collapsed.txt"))))
    assert states(apart) == states(together)
    assert states(apart) == {"3_0": JobState.RUNNING} | {f"3_{n}": JobState.QUEUED for n in range(1, 6)}
    assert {status.name for status in apart} == {"a|b"}


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("Resources", JobState.QUEUED),
        ("ReqNodeNotAvail, UnavailableNodes:n1", JobState.QUEUED),
        ("BeginTime", JobState.QUEUED),
        ("Dependency", JobState.HELD),
        ("JobHeldUser", JobState.HELD),
        ("DependencyNeverSatisfied", JobState.BLOCKED),
        ("PartitionTimeLimit", JobState.BLOCKED),
        ("PartitionConfig", JobState.BLOCKED),
    ],
)
def test_why_a_job_waits_decides_whether_it_ever_starts(reason: str, state: JobState) -> None:
    (status,) = SLURM.parse_queue(answer(f"12|12|12|N/A|PD|PENDING|{reason}|x\n"))
    assert (status.state, status.reason, str(status.id)) == (state, reason, "12")


def test_accounts_tell_every_end_apart_and_leave_out_steps() -> None:
    by_id = {str(status.id): status for status in SLURM.parse_accounting(answer(recorded("slurm/sacct_end.txt")))}
    assert states(by_id.values()) == {
        **dict.fromkeys(["1", "3_0", "3_2", "3_4"], JobState.SUCCEEDED),
        **dict.fromkeys(["2", "3_1", "3_3", "3_5"], JobState.FAILED),
        **dict.fromkeys(["9", "10"], JobState.TIMEOUT),
        **dict.fromkeys(["11", "13"], JobState.CANCELLED),
        "14": JobState.REQUEUED,
    }
    assert (by_id["2"].exit_status, by_id["11"].raw) == (3, "CANCELLED by 1000")
    assert by_id["9"].exit_status is None, "0:0 of a job that ran into its limit is no success"


def test_the_newest_record_of_a_number_that_is_used_again_counts() -> None:
    found = states(SLURM.parse_accounting(answer(recorded("slurm/sacct_dup2.txt"))))
    assert (found["1"], found["3_0"], found["9"]) == (JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.TIMEOUT)
    header = "JobID|State|ExitCode|Submit|Start\n"
    newer, older = (
        "5|RUNNING|0:0|2026-11-22T01:00:00|Unknown\n",
        "5|FAILED|1:0|2026-11-21T01:00:00|2026-11-21T02:00:00\n",
    )
    for text in (newer + older, older + newer):
        assert states(SLURM.parse_accounting(answer(header + text))) == {"5": JobState.RUNNING}


def test_pending_elements_in_the_accounts_are_expanded() -> None:
    found = states(SLURM.parse_accounting(answer(recorded("slurm/sacct_mid.txt"))))
    assert {name for name in found if name.startswith("3_")} == {f"3_{index}" for index in range(6)}
    cut = "JobID|State|ExitCode\n7_[0,2,...]|PENDING|0:0\n8+0|RUNNING|0:0\n"
    assert set(states(SLURM.parse_accounting(answer(cut)))) == {"7_0", "7_2"}


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("OUT_OF_MEMORY", "0:125", (JobState.OOM, None, 125)),
        ("FAILED", "0:9", (JobState.FAILED, None, 9)),
        ("NODE_FAIL", "1:0", (JobState.NODE_FAIL, None, None)),
        ("CANCELLED+", "0:0", (JobState.CANCELLED, None, None)),
        ("PREEMPTED", "0:0", (JobState.PREEMPTED, None, None)),
    ],
)
def test_exit_codes(state: str, code: str, expected: tuple[JobState, int | None, int | None]) -> None:
    (status,) = SLURM.parse_accounting(answer(f"JobID|State|ExitCode\n4|{state}|{code}\n"))
    assert (status.state, status.exit_status, status.signal) == expected


@given(st.text(st.characters(categories=["Lu"]), min_size=1).filter(lambda word: word not in STATES))
def test_a_word_that_is_not_in_the_table_is_kept_and_never_means_done(word: str) -> None:
    (status,) = SLURM.parse_queue(answer(f"1|1|1|N/A|?|{word}|None|x\n"))
    assert (status.state, status.raw) == (JobState.UNKNOWN, word)


def test_a_cluster_without_accounts_knows_nothing_and_that_is_no_failure() -> None:
    assert SLURM.parse_accounting(answer(err="Slurm accounting storage is disabled\n", status=1)) == []
    for wrong in (answer(err="sacct: error: slurmdbd down", status=1), answer("")):
        with pytest.raises(MachineError):
            SLURM.parse_accounting(wrong)


@pytest.mark.parametrize("text", ["slurm_load_jobs error: Unable to contact slurm controller", "1|2|3"])
def test_what_is_no_queue_is_no_answer(text: str) -> None:
    with pytest.raises(MachineError):
        SLURM.parse_queue(answer(text))
    with pytest.raises(MachineError):
        SLURM.parse_queue(answer(err=text, status=1))


def test_one_call_submits_an_array_with_everything_that_is_not_in_the_script() -> None:
    after = Dependency(jobs=(JobId("3", 2), JobId("4")), success=True)
    job = submission(group="gaa", elements=20, max_parallel=4, after=after, sink="/a b/100%")
    assert SLURM.submit_argv(job, "/x/job.sh") == [
        "sbatch",
        "--parsable",
        "--output=/a b/100%%/scheduler.log",
        "--account=gaa",
        "--array=0-19%4",
        "--dependency=afterok:3:4",
        "/x/job.sh",
    ]


def test_amounts() -> None:
    resources = Resources(nodes=2, gpus=4, cpus=8, memory_bytes=2**30, queue="debug", walltime_s=90)
    options = SLURM.directives(submission(resources=resources))
    expected = "--partition=debug --time=0:01:30 --nodes=2 --cpus-per-task=8 --gpus-per-node=4 --mem=1024M --requeue"
    assert set(expected.split()) <= set(options)
    assert not any("gpus" in option for option in SLURM.directives(submission(resources=Resources(gpus=0))))


def test_cancelling_what_is_gone_is_no_failure() -> None:
    assert SLURM.cancel_argv([JobId("3", 1), JobId("4")]) == ["scancel", "3_1", "4"]
    gone = "scancel: error: Kill job error on job id 99: Invalid job id specified"
    SLURM.check_cancellation(answer(err=gone, status=1))
    with pytest.raises(MachineError):
        SLURM.check_cancellation(answer(err="scancel: error: Access/permission denied", status=1))


def test_a_job_is_found_by_its_whole_name() -> None:
    text = "3_[1-5%2]|3|3|1-5%2|PD|PENDING|Resources|lego\n3_0|4|3|0|R|RUNNING|None|lego\n9|9|9|N/A|R|RUNNING|None|l\n"
    assert SLURM.parse_find(answer(text), "lego") == [JobId("3")]
