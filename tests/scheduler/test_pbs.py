"""PBS: what is asked, and what recorded answers mean, as JSON and as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import ConfigError, MachineError
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.types import Dependency, JobId, JobState, Resources
from tests.scheduler.answers import answer, recorded, states, submission

PBS = Pbs()
HISTORY = recorded("pbs/history_xt.json")
ENDS = {
    **dict.fromkeys(["0", "2_0", "2_3", "5", "9", "10", "18_0", "21", "23_1", "24"], JobState.SUCCEEDED),
    **dict.fromkeys(["1", "13", "18", "18_1"], JobState.FAILED),
    **dict.fromkeys(["4", "8", "12", "14", "14_2", "15", "15_0", "16"], JobState.CANCELLED),
    **dict.fromkeys(["6", "7", "19", "20"], JobState.BLOCKED),
    "11": JobState.TIMEOUT,
    "17": JobState.HELD,
}


def as_text(jobs: dict[str, Any]) -> str:
    """Return jobs as ``qstat -f`` prints them: long values go on in lines that begin with a tab."""
    lines = []
    for name, job in jobs.items():
        lines.append(f"Job Id: {name}")
        for key, value in job.items():
            if isinstance(value, dict) and key != "Variable_List":
                lines += [f"    {key}.{part} = {amount}" for part, amount in value.items()]
                continue
            text = ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            lines.append(
                "\n\t".join(f"    {key} = {text}"[at : at + 78] for at in range(0, len(text) + len(key) + 7, 78))
            )
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize("form", ["json", "text"])
def test_every_end_of_a_job_is_told_apart(form: str) -> None:
    text = HISTORY if form == "json" else as_text(json.loads(HISTORY)["Jobs"])
    found = states(PBS.parse_queue(answer(text)))
    assert {name: found[name] for name in ENDS} == ENDS
    assert len(found) == len(json.loads(HISTORY)["Jobs"])


def test_both_forms_say_the_same() -> None:
    assert PBS.parse_queue(answer(as_text(json.loads(HISTORY)["Jobs"]))) == PBS.parse_queue(answer(HISTORY))


def test_a_job_that_ran_never_is_no_success_and_an_array_with_a_failure_neither() -> None:
    by_id = {str(status.id): status for status in PBS.parse_queue(answer(HISTORY))}
    assert (by_id["6"].raw, by_id["6"].exit_status) == ("F 92", None)
    assert (by_id["18"].exit_status, by_id["18"].state) == (0, JobState.FAILED)
    assert (by_id["1"].exit_status, by_id["1"].signal) == (3, None)
    assert (by_id["12"].exit_status, by_id["12"].signal) == (None, 15)
    assert "exceeded resource walltime" in by_id["11"].reason
    assert by_id["10"].name == "this_is_a_very_long_job_name_more_than_15_chars"


def test_waiting_running_and_held_jobs() -> None:
    found = states(PBS.parse_queue(answer(recorded("pbs/qstat1_t.json"))))
    assert found["0"] is found["2"] is found["2_0"] is JobState.RUNNING
    assert found["2_1"] is JobState.QUEUED
    assert found["4"] is JobState.BLOCKED, "Can Never Run"
    assert found["6"] is JobState.HELD


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"job_state": "F", "substate": 91}, JobState.CANCELLED),
        ({"job_state": "F", "substate": 92}, JobState.BLOCKED),
        ({"job_state": "X", "substate": 92, "Exit_status": 0}, JobState.SUCCEEDED),
        ({"job_state": "R", "substate": 41}, JobState.STARTING),
        ({"job_state": "F", "substate": 93, "Exit_status": -27}, JobState.OOM),
        ({"job_state": "F", "substate": 93, "Exit_status": -4}, JobState.NODE_FAIL),
        ({"job_state": "F", "substate": 93, "Exit_status": 265}, JobState.FAILED),
        ({"job_state": "Z"}, JobState.UNKNOWN),
        ({}, JobState.UNKNOWN),
    ],
)
def test_rarer_states(job: dict[str, Any], state: JobState) -> None:
    (status,) = PBS.parse_queue(answer(json.dumps({"Jobs": {"1.srv": job}})))
    assert status.state is state


@pytest.mark.parametrize(
    ("array", "element", "state"),
    [
        ({"job_state": "B"}, {"job_state": "X", "substate": 92}, JobState.CANCELLED),
        ({"job_state": "F", "Exit_status": 0}, {"job_state": "F", "substate": 92}, JobState.CANCELLED),
        ({"job_state": "F", "substate": 91}, {"job_state": "F", "substate": 92}, JobState.CANCELLED),
        ({"job_state": "F", "substate": 92}, {"job_state": "F", "substate": 92}, JobState.BLOCKED),
        ({"job_state": "B"}, {"job_state": "X", "substate": 92, "Exit_status": 0}, JobState.SUCCEEDED),
    ],
)
def test_an_element_without_exit_status_was_deleted_if_its_array_has_begun(
    array: dict[str, Any], element: dict[str, Any], state: JobState
) -> None:
    text = json.dumps({"Jobs": {"1[].srv": array, "1[3].srv": element}})
    assert states(PBS.parse_queue(answer(text)))["1_3"] is state


@given(st.text(st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=3).filter(lambda word: word not in "FX"))
def test_no_word_but_that_of_an_end_means_that_a_job_is_done(word: str) -> None:
    (status,) = PBS.parse_queue(answer(json.dumps({"Jobs": {"1.srv": {"job_state": word, "Exit_status": 0}}})))
    assert not status.state.is_over


def test_lossy_and_dirty_json_is_read_and_broken_json_is_asked_for_as_text() -> None:
    dirty = '{"Jobs": {"1.srv": {"job_state": "R", "Variable_List": {"A": "tab\there", "B": 5, "C": null}}}}'
    assert states(PBS.parse_queue(answer(dirty))) == {"1": JobState.RUNNING}
    broken = dirty.replace('"B": 5', '"B": 005')
    with pytest.raises(MachineError, match="cannot be understood"):
        PBS.parse_queue(answer(broken))
    as_json, plain = PBS.queue_argvs([JobId("1", server="srv")], "me")
    assert " ".join(as_json) == "qstat -x -t -f -F json 1.srv"
    assert " ".join(plain) == "qstat -x -t -f 1.srv"


def test_a_shell_function_in_the_environment_does_not_disturb_the_text() -> None:
    text = (
        "Job Id: 1.srv\n    Job_Name = a\n    Variable_List = PATH=/bin,BASH_FUNC_module%%=() {  eval `x`\n}\n"
        "    job_state = X\n\tmore\n    job_state = R\n    substate = 42\n\n"
    )
    assert states(PBS.parse_queue(answer(text))) == {"1": JobState.RUNNING}


def test_jobs_that_have_ended_or_are_unknown_do_not_hide_the_others() -> None:
    without_jobs = recorded("pbs/finished_nox.txt").split("information\n")[2].replace("rc=35\n", "")
    assert PBS.parse_queue(answer(without_jobs, status=35)) == []
    assert len(PBS.parse_queue(answer(HISTORY, status=153, err=recorded("pbs/qstat_missing.err")))) > 40
    assert PBS.parse_queue(answer(status=153, err=recorded("pbs/qstat_missing.err"))) == []


def test_a_server_that_is_down_is_no_answer() -> None:
    with pytest.raises(MachineError, match="cannot connect"):
        PBS.parse_queue(answer(status=255, err=recorded("pbs/down.txt")))


def test_replies_to_a_submission() -> None:
    assert PBS.parse_submission(answer("1234.pbs1\n")) == JobId("1234")
    array = PBS.parse_submission(answer("1234[].pbs2.abci.local\n"))
    assert (array.number, array.is_array, array.server) == ("1234", True, "pbs2.abci.local")
    # A message of the site before the number, and a warning after it.
    assert PBS.parse_submission(answer("12 points are left\n7.pbs1\n", status=1)) == JobId("7")
    for said, hint in [("illegal -J value", "max_array_size"), ("Unknown queue", "resource_types")]:
        with pytest.raises(MachineError, match="nothing was submitted") as caught:
            PBS.parse_submission(answer(err=f"qsub: {said}\n", status=2))
        assert hint in str(caught.value)


def test_one_call_submits_an_array_with_everything_that_is_not_in_the_script() -> None:
    after = Dependency(jobs=(JobId("3", 2, server="pbs1"), JobId("4", server="pbs1")), success=True)
    job = submission(group="gaa", elements=20, max_parallel=4, after=after)
    argv = PBS.submit_argv(job, "/x/job.sh")
    expected = "qsub -o /groups/gaa/x/ -P gaa -J 0-19 -W max_run_subjobs=4 -W depend=afterok:3[].pbs1:4.pbs1 /x/job.sh"
    assert " ".join(argv) == expected
    assert "-J" not in PBS.submit_argv(submission(elements=1), "job.sh"), "PBS refuses an array of one"


def test_pieces_of_a_node_and_amounts() -> None:
    assert {"-q rt_HG", "-l select=1", "-l walltime=1:30:00"} <= set(PBS.directives(submission()))
    amounts = Resources(nodes=2, gpus=1, cpus=8, memory_bytes=2**30, queue="long")
    options = PBS.directives(submission(resources=amounts))
    assert {"-q long", "-l select=2:ncpus=8:ngpus=1:mem=1024mb"} <= set(options)


@pytest.mark.parametrize("sink", ["/a:b", "/a,b", "/a\nb"])
def test_a_path_that_it_would_misread_is_refused(sink: str) -> None:
    with pytest.raises(ConfigError, match="misreads"):
        PBS.submit_argv(submission(sink=sink), "job.sh")


@given(st.integers(0, 10**6), st.none() | st.integers(0, 10**5), st.sampled_from(["", "pbs1", "a.b-c"]))
def test_the_native_form_of_a_job_is_read_back(number: int, index: int | None, server: str) -> None:
    job = JobId(str(number), index, server=server)
    (_, native) = PBS.cancel_argv([job])
    (found,) = PBS.parse_queue(answer(json.dumps({"Jobs": {native: {"job_state": "R"}}})))
    assert (found.id, found.id.server, found.id.is_array) == (job, server, False)


def test_elements_are_listed_with_their_array_in_one_call() -> None:
    array = JobId("2", server="s", is_array=True)
    jobs = [array.element(0), array.element(1), JobId("5", server="s")]
    assert " ".join(PBS.queue_argvs(jobs, "me")[0]) == "qstat -x -t -f -F json 2[].s 5.s"
    assert PBS.cancel_argv([array, array.element(3)]) == ["qdel", "2[].s", "2[3].s"]
    assert PBS.accounting_argv(jobs, "me", 0.0) is None


def test_cancelling_what_is_gone_is_no_failure() -> None:
    complaints = [line for line in recorded("pbs/qdel_sub.txt").splitlines() if line.startswith("qdel:")]
    assert len(complaints) == 2
    PBS.check_cancellation(answer(err="\n".join(complaints), status=35))
    with pytest.raises(MachineError, match="could not be cancelled"):
        PBS.check_cancellation(answer(err="qdel: Unauthorized Request  13.node1", status=159))


def test_jobs_are_found_by_name() -> None:
    assert PBS.parse_find(answer("3.srv\n7[].srv\n"), "x") == [JobId("3"), JobId("7")]
    with pytest.raises(MachineError):
        PBS.parse_find(answer(err="qselect: cannot connect", status=255), "x")
