"""Grid Engine: what is asked, and what recorded answers mean."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.types import Dependency, JobId, JobState, Resources
from tests.scheduler.answers import answer, recorded, states, submission

SGE = GridEngine()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('Your job 35 ("s.sh") has been submitted', "35"),
        ("36\n", "36"),
        ('Your job-array 37.1-5:2 ("s.sh") has been submitted', "37"),
        ("38.1-4:1\n", "38"),
    ],
)
def test_every_form_of_the_reply_names_the_job(text: str, number: str) -> None:
    assert text.strip() in recorded("sge/qsub_single.txt")
    assert SGE.parse_submission(answer(text)) == JobId(number)


def test_a_job_that_is_queued_although_qsub_fails_is_found() -> None:
    text = recorded("sge/qsub_rc1_but_queued.txt").replace("rc=1\n", "")
    assert SGE.parse_submission(answer(err=text, status=1)) == JobId("10")


@pytest.mark.parametrize("refusal", recorded("sge/errs.txt").split("rc=")[:-3])
def test_a_refusal_is_told_whole(refusal: str) -> None:
    said = refusal.split("\n", 1)[-1].strip() if refusal[0].isdigit() else refusal.strip()
    with pytest.raises(MachineError, match="nothing was submitted") as caught:
        SGE.parse_submission(answer(err=said, status=1))
    assert said in str(caught.value)


def test_the_wrapper_option_that_a_stock_qsub_lacks_is_explained() -> None:
    with pytest.raises(MachineError, match="group_flag: -P"):
        SGE.parse_submission(answer(err='qsub: invalid option argument "-g"', status=2))


def test_one_call_submits_an_array_with_everything_that_is_not_in_the_script() -> None:
    job = submission(
        group="gaa", elements=20, max_parallel=4, after=Dependency(jobs=(JobId("3", 2), JobId("4")), success=False)
    )
    argv = GridEngine(group_flag="-g").submit_argv(job, "/x/job.sh")
    sink = ":/groups/gaa/x/scheduler.log"
    assert " ".join(argv) == f"qsub -terse -o {sink} -g gaa -t 1-20 -tc 4 -hold_jid 3,4 /x/job.sh"
    assert "-t" not in SGE.submit_argv(submission(elements=1), "job.sh")


def test_a_piece_of_a_node_is_asked_for_by_its_name() -> None:
    resources = Resources(walltime_s=3600 * 26 + 61, resource_type="rt_G.small")
    options = SGE.directives(submission(resources=resources, options=("-p -400",)))
    assert {"-l rt_G.small=1", "-l h_rt=26:01:01", "-p -400"} <= set(options)


def test_what_the_site_has_no_word_for_is_refused_all_at_once() -> None:
    resources = Resources(nodes=2, gpus=1, cpus=4, memory_bytes=1)
    after = Dependency(jobs=(JobId("1"),), success=True)
    with pytest.raises(ConfigError) as caught:
        SGE.directives(submission(resources=resources, after=after))
    assert re.findall(r"asked for (\w+)", str(caught.value)) == ["after", "nodes", "gpus", "cpus", "memory_bytes"]
    able = GridEngine(parallel_environment="smp", gpu_resource="gpu", memory_resource="mem_free")
    options = able.directives(submission(resources=Resources(gpus=2, cpus=4, memory_bytes=2**30 + 1)))
    assert {"-l gpu=2", "-pe smp 4", "-l mem_free=1025M"} <= set(options)


@pytest.mark.parametrize("sink", ["/a$JOB_ID", "/a,b", "/a\nb"])
def test_a_path_that_it_would_misread_is_refused(sink: str) -> None:
    with pytest.raises(ConfigError, match="misreads"):
        SGE.submit_argv(submission(sink=sink), "job.sh")


def test_running_and_pending_elements_are_told_apart() -> None:
    found = states(SGE.parse_queue(answer(recorded("sge/qstat1.xml"))))
    assert found == {
        **dict.fromkeys(["35", "36", "37_0"], JobState.RUNNING),
        **dict.fromkeys(["37_2", "37_4", *(f"38_{n}" for n in range(4))], JobState.QUEUED),
        **dict.fromkeys(["39", "40", "41", "44"], JobState.QUEUED),
    }


def test_mixed_ranges_of_pending_elements_are_counted_from_zero() -> None:
    text = recorded("sge/qdel.txt")
    found = states(SGE.parse_queue(answer(text[text.index("<?xml") : text.rindex("</job_info>") + 11])))
    assert found == {f"56_{index}": JobState.HELD for index in (0, 1, 2, 6, 8, 9)}


def test_a_job_that_is_being_deleted_and_one_that_failed_to_start() -> None:
    found = states(SGE.parse_queue(answer(recorded("sge/qstat_dr.xml"))))
    assert found == {"45": JobState.COMPLETING, "47": JobState.RUNNING}
    text = recorded("sge/eqw.txt")
    (status,) = SGE.parse_queue(answer(text[text.index("<?xml") : text.rindex("</job_info>") + 11]))
    assert (status.state, status.raw, status.name) == (JobState.BLOCKED, "Eqw", "s.sh")
    assert SGE.reasons_argv([JobId("55"), JobId("56", 1), JobId("56", 2)]) == ["qstat", "-j", "55,56"]
    reasons = SGE.parse_reasons(answer(f"=====\njob_number:    55\n{text}=====\njob_number:    56\nowner: bob\n"))
    assert reasons == {"55": "error: can't chdir to /nonexistent: No such file or directory"}


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", JobState.QUEUED),
        ("hqw", JobState.HELD),
        ("hRwq", JobState.HELD),
        ("r", JobState.RUNNING),
        ("Rr", JobState.RUNNING),
        ("hr", JobState.RUNNING),
        ("t", JobState.STARTING),
        ("Rt", JobState.STARTING),
        ("Rq", JobState.REQUEUED),
        ("s", JobState.SUSPENDED),
        ("tS", JobState.SUSPENDED),
        ("RS", JobState.SUSPENDED),
        ("T", JobState.SUSPENDED),
        ("dr", JobState.COMPLETING),
        ("dRt", JobState.COMPLETING),
        ("Eqw", JobState.BLOCKED),
        ("EhRqw", JobState.BLOCKED),
        ("", JobState.UNKNOWN),
        ("Kqw", JobState.UNKNOWN),
    ],
)
def test_letters_of_a_state_combine(letters: str, state: JobState) -> None:
    (status,) = SGE.parse_queue(answer(job_list(letters)))
    assert (status.state, status.raw) == (state, letters)


def job_list(letters: str, tasks: str = "") -> str:
    """Return a queue of one job, in the other namespace."""
    entry = f"<JB_job_number>1</JB_job_number><state>{letters}</state><tasks>{tasks}</tasks>"
    return f'<?xml version="1.0"?><job_info xmlns="urn:x"><job_info><job_list>{entry}</job_list></job_info></job_info>'


@given(st.text(string.ascii_letters, max_size=6))
def test_no_letters_in_the_queue_mean_that_a_job_has_ended_well(letters: str) -> None:
    (status,) = SGE.parse_queue(answer(job_list(letters)))
    assert status.raw == letters
    assert not status.state.is_over or status.state is JobState.BLOCKED


@given(st.sets(st.integers(1, 500), min_size=1))
def test_any_set_of_elements_is_read_back(tasks: set[int]) -> None:
    found = SGE.parse_queue(answer(job_list("qw", ",".join(map(str, sorted(tasks))))))
    assert {status.id for status in found} == {JobId("1", task - 1) for task in tasks}


@pytest.mark.parametrize("text", ["", "error: commlib error", "<job_info>", job_list("qw", "1-")])
def test_what_is_no_queue_is_no_answer(text: str) -> None:
    with pytest.raises(MachineError):
        SGE.parse_queue(answer(text))
    with pytest.raises(MachineError):
        SGE.parse_queue(answer("<job_info/>", status=1, err="unable to send message to qmaster"))


def test_accounting_tells_success_failure_limit_and_kill_apart() -> None:
    killed = {str(status.id): status for status in SGE.parse_accounting(answer(recorded("sge/qacct_kill.txt")))}
    assert {name: (status.state, status.signal) for name, status in killed.items()} == {
        "45": (JobState.FAILED, 9),
        "46": (JobState.FAILED, 9),
        "47": (JobState.TIMEOUT, 9),
        "48": (JobState.TIMEOUT, 9),
        "50": (JobState.SUCCEEDED, None),
        "51": (JobState.REQUEUED, None),
    }
    ended = {str(status.id): status for status in SGE.parse_accounting(answer(recorded("sge/qacct_ok.txt")))}
    assert ended["52"].state is JobState.SUCCEEDED
    assert (ended["53"].state, ended["53"].exit_status) == (JobState.FAILED, 5)
    assert {name for name in ended if name.startswith("54")} == {"54_0", "54_2", "54_4"}


def test_the_other_engine_says_who_deleted_a_job() -> None:
    record = recorded("sge/qacct_kill.txt").split("### ")[1].split("\n", 1)[1]
    (status,) = SGE.parse_accounting(answer(record + "\ndeleted_by   bob\n"))
    assert status.state is JobState.CANCELLED


@pytest.mark.parametrize("said", ["error: job id 55 not found", "no jobs running since startup"])
def test_a_job_without_a_record_is_no_failure(said: str) -> None:
    assert SGE.parse_accounting(answer(err=said, status=1)) == []
    with pytest.raises(MachineError):
        SGE.parse_accounting(answer(err="unable to open accounting: Permission denied", status=1))


def test_many_jobs_are_looked_up_in_one_pass() -> None:
    one = SGE.accounting_argv([JobId("5", 1), JobId("5", 2)], "me", 0.0)
    assert one == ["qacct", "-j", "5"]
    many = SGE.accounting_argv([JobId("5"), JobId("6")], "me", 0.0)
    assert many[:4] == ["qacct", "-o", "me", "-b"]


def test_one_element_is_cancelled_and_the_others_are_not() -> None:
    assert SGE.cancel_argv([JobId("56", 7), JobId("57")]) == ["qdel", "56.8", "57"]
    SGE.check_cancellation(answer("x has deleted job 56\n", err='denied: job "424242" does not exist\n', status=1))
    with pytest.raises(MachineError, match="could not be cancelled"):
        SGE.check_cancellation(answer(err="denied: bob is not an operator", status=1))


def test_a_job_is_found_by_its_whole_name() -> None:
    xml = recorded("sge/qstat1.xml")
    assert SGE.parse_find(answer(xml), "s.sh")[:3] == [JobId("35"), JobId("36"), JobId("37")]
    assert SGE.parse_find(answer(xml), "s") == []
