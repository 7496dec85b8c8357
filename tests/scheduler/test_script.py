"""Batch scripts: golden ones, and what bash makes of hostile texts.

``python -m tests.scheduler.test_script`` writes the golden scripts anew; read the difference before you commit it.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.process import Completed, run
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.script import Program, batch_script, in_environment, misspelled
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import Resources, Submission
from tests.scheduler.answers import submission

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scripts"
PROGRAM = Program(
    command=("/groups/gaa/venv/bin/python", "-m", "nsg_cluster.tasks", "it's"),
    folder="/groups/gaa/runs/lego",
    out="/groups/gaa/runs/lego/tasks/$NSG_TASK/log.out",
    err="/groups/gaa/runs/lego/tasks/$NSG_TASK/log.err",
    title="Run abcdef of lego (10 tasks)",
)
CASES: dict[str, tuple[Dialect, Submission, Program]] = {
    "abci2": (
        GridEngine(group_flag="-g"),
        submission(resources=Resources(walltime_s=3600, resource_type="rt_G.small"), elements=10),
        replace(PROGRAM, modules=("cuda/11.8",), scratch="$SGE_LOCALDIR"),
    ),
    "abci3": (
        Pbs(),
        submission(elements=10, group="gaa"),
        replace(PROGRAM, modules=("cuda/12.6/12.6.1", "hpcx/2.20"), scratch="$PBS_LOCALDIR", environment={"A": "$B"}),
    ),
    "slurm": (
        Slurm(),
        submission(resources=Resources(gpus=1, cpus=8, memory_bytes=2**34, walltime_s=86_400)),
        replace(PROGRAM, prologue=("ulimit -c 0",), epilogue=("date",), environment={"OMP_NUM_THREADS": "8"}),
    ),
}
# What each scheduler sets in a plain job and in element 2 of an array.
PLAIN = {
    "gridengine": {"JOB_ID": "15", "SGE_TASK_ID": "undefined"},
    "pbs": {"PBS_JOBID": "15.pbs1"},
    "slurm": {"SLURM_JOB_ID": "15"},
}
ELEMENT = {
    "gridengine": {"JOB_ID": "15", "SGE_TASK_ID": "3"},
    "pbs": {"PBS_JOBID": "15[2].pbs1", "PBS_ARRAY_INDEX": "2"},
    "slurm": {"SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "15", "SLURM_ARRAY_TASK_ID": "2"},
}
DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (GridEngine(parallel_environment="smp", gpu_resource="gpu"), Pbs(), Slurm())
}


def execute(where: Path, name: str, variables: dict[str, str], **changes: object) -> Completed:
    """Run a script as the scheduler would: its output goes to ``out`` and ``err`` in the folder."""
    base = {"command": ("true",), "folder": str(where), "out": f"{where}/out", "err": f"{where}/err"}
    program = Program(**(base | changes))  # type: ignore[arg-type]
    script = where / "job.sh"
    plain = submission(resources=Resources(), sink=str(where))
    script.write_text(batch_script(DIALECTS[name], plain, program), newline="")
    return run(["bash", str(script)], timeout_s=20, env={"PATH": "/usr/bin:/bin", **variables})


@pytest.mark.parametrize("name", CASES)
def test_scripts_are_as_agreed(name: str) -> None:
    assert batch_script(*CASES[name]) == (GOLDEN / f"{name}.sh").read_text()


@pytest.mark.parametrize("name", DIALECTS)
def test_a_script_knows_its_job_and_writes_where_it_was_told(name: str, tmp_path: Path) -> None:
    for environment, job, task in ((PLAIN[name], "15", "0"), (ELEMENT[name], "15_2", "2")):
        (tmp_path / task).mkdir()
        out, err = (f"{tmp_path}/$NSG_TASK/$NSG_JOB_ID.{stream}" for stream in ("out", "err"))
        command = ("bash", "-c", "echo $NSG_JOB_ID $NSG_TASK; pwd >&2; exit 7")
        done = execute(tmp_path, name, environment, out=out, err=err, command=command, folder="/usr")
        assert (done.status, done.out, done.err) == (7, "", "")
        assert (tmp_path / task / f"{job}.out").read_text() == f"{job} {task}\n"
        assert (tmp_path / task / f"{job}.err").read_text() == "/usr\n"


@pytest.mark.parametrize(("job", "task"), [("9", "0"), ("9_4", "4")])
def test_a_job_of_pbs_stands_for_the_one_that_it_goes_on_with(job: str, task: str, tmp_path: Path) -> None:
    variables = {"PBS_JOBID": "17.pbs1", "NSG_CONTINUES": job}
    execute(tmp_path, "pbs", variables, command=("bash", "-c", "echo $NSG_JOB_ID $NSG_TASK"))
    assert (tmp_path / "out").read_text() == f"{job} {task}\n"


def test_a_variable_that_is_not_set_ends_the_job_before_anything_runs(tmp_path: Path) -> None:
    changes = {"scratch": "$SSG_LOCALDIR/x", "command": ("touch", str(tmp_path / "ran"))}
    done = execute(tmp_path, "gridengine", PLAIN["gridengine"] | {"SGE_LOCALDIR": "/local"}, **changes)
    assert done.status != 0
    assert not (tmp_path / "ran").exists()
    said = (tmp_path / "err").read_text()
    assert "SSG_LOCALDIR: is not set in this job. Did you mean SGE_LOCALDIR?" in said


def test_variables_are_expanded_in_the_job_and_the_later_ones_see_the_earlier(tmp_path: Path) -> None:
    environment = {"A": "${NSG_SCRATCH}/a b", "B": "$A$$HOME"}
    command = ("bash", "-c", 'printf "%s\n" "$NSG_SCRATCH" "$A" "$B"')
    variables = PLAIN["pbs"] | {"PBS_LOCALDIR": "/local/x y"}
    execute(tmp_path, "pbs", variables, scratch="$PBS_LOCALDIR", environment=environment, command=command)
    assert (tmp_path / "out").read_text().splitlines() == ["/local/x y", "/local/x y/a b", "/local/x y/a b$HOME"]


def test_modules_that_read_unset_variables_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "init.sh").write_text('module() { echo "$UNSET$1 $2"; [ "$2" != missing ]; }\n')
    given_modules = {"modules_init": f"{tmp_path}/init.sh", "command": ("echo", "ran")}
    assert execute(tmp_path, "slurm", PLAIN["slurm"], modules=("cuda/12", "x"), **given_modules).status == 0
    assert (tmp_path / "out").read_text() == "load cuda/12\nran\n"
    assert execute(tmp_path, "slurm", PLAIN["slurm"], modules=("missing",), **given_modules).status != 0
    assert (tmp_path / "out").read_text().endswith("load missing\n")


def test_the_epilogue_runs_and_changes_nothing(tmp_path: Path) -> None:
    done = execute(tmp_path, "slurm", PLAIN["slurm"], command=("false",), prologue=("echo a",), epilogue=("echo z",))
    assert (done.status, (tmp_path / "out").read_text()) == (1, "a\nz\n")


def test_the_command_ends_before_the_script_when_a_signal_reaches_both(tmp_path: Path) -> None:
    inner = "trap 'sleep 0.3; echo done; exit 5' TERM; kill -TERM $PPID; kill -TERM $$; sleep 5"
    done = execute(tmp_path, "pbs", PLAIN["pbs"], command=("bash", "-c", inner))
    assert (done.status, (tmp_path / "out").read_text()) == (5, "done\n")


def test_a_log_that_cannot_be_written_ends_the_job(tmp_path: Path) -> None:
    command = ("touch", str(tmp_path / "ran"))
    done = execute(tmp_path, "pbs", PLAIN["pbs"], out=f"{tmp_path}/absent/log", command=command)
    assert done.status != 0
    assert "absent/log" in done.err, "the scheduler keeps it"
    assert not (tmp_path / "ran").exists()


NASTY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    ["'", '"', "\\", "$(touch x)", "`id`", "a\n#$ -l x=1\nb", "a\r\nb", "!", "~", "*", "日本 語", "-n", "\\n'\n"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=st.lists(NASTY, max_size=4), value=NASTY)
def test_every_text_reaches_the_command_as_it_is(arguments: list[str], value: str, tmp_path: Path) -> None:
    command = ("bash", "-c", r'printf "%s\0" "$VALUE" "$@" > "$0"', str(tmp_path / "seen"), *arguments)
    environment = {"VALUE": value.replace("$", "$$")}
    done = execute(tmp_path, "gridengine", PLAIN["gridengine"], command=command, environment=environment)
    assert done.status == 0, done.err
    assert (tmp_path / "seen").read_bytes() == b"".join(text.encode() + b"\0" for text in (value, *arguments))
    lines = (tmp_path / "job.sh").read_bytes().split(b"\n")
    assert sum(line.startswith(b"#$") for line in lines) == 4, "an option of Grid Engine from a text"


@pytest.mark.parametrize("name", ["a b", "it's", "$(touch x)", "new\nline", '"', "日本", "#PBS", "%j"])
def test_folders_may_have_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    text = str(folder).replace("$", "$$")
    done = execute(
        tmp_path, "pbs", PLAIN["pbs"], folder=str(folder), out=f"{text}/o", err=f"{text}/e", command=("pwd",)
    )
    assert done.status == 0, done.err
    assert (folder / "o").read_text() == f"{folder}\n"


@pytest.mark.parametrize("text", ["$", "a$ b", "$(id)", "${A", "${}", "${A:-x}", "$1", "a\0b"])
def test_a_text_that_bash_would_read_otherwise_is_refused(text: str) -> None:
    program = replace(PROGRAM, environment={"A": text})
    with pytest.raises(ConfigError):
        batch_script(Pbs(), submission(), program)


def test_an_option_cannot_be_smuggled_into_the_header() -> None:
    resources = Resources(queue="a\n#PBS -l select=99")
    with pytest.raises(ConfigError, match="must be one line"):
        batch_script(Pbs(), submission(resources=resources), PROGRAM)
    text = batch_script(GridEngine(), submission(), replace(PROGRAM, title="x\n#$ -l y"))
    assert sum(line.startswith("#$") for line in text.splitlines()) == 6
    assert shlex.split(text.splitlines()[-2]) == ["status=$?"]


def test_a_variable_that_no_job_has_but_for_a_letter_is_found() -> None:
    assert misspelled("$SSG_LOCALDIR/x", GridEngine()) == ("SSG_LOCALDIR", "SGE_LOCALDIR")
    assert misspelled("${PBS_LOCALDR}", Pbs()) == ("PBS_LOCALDR", "PBS_LOCALDIR")
    for text in ("$PBS_LOCALDIR/$USER", "$$SSG_LOCALDIR", "$PBS_JOBFS", "$LOCAL_SSD", "/plain"):
        assert misspelled(text, Pbs()) is None, text
    assert misspelled("$SGE_LOCALDIRS", GridEngine(), known=["SGE_LOCALDIRS"]) is None


def test_a_text_takes_the_variables_of_an_environment_or_says_which_is_missing() -> None:
    assert in_environment("$A/${B}$$", {"A": "/x y", "B": "b"}, "scratch") == "/x y/b$"
    for text, message in (
        ("$C", r"scratch: \$C is not set here"),
        ("$ABCD", r"Did you mean 'ABCDE'\?"),
        ("a$", r"write \$NAME for a variable"),
        ("$EMPTY", r"\$EMPTY is not set"),
    ):
        with pytest.raises(ConfigError, match=message):
            in_environment(text, {"ABCDE": "1", "EMPTY": ""}, "scratch")


if __name__ == "__main__":
    for golden, case in CASES.items():
        (GOLDEN / f"{golden}.sh").write_text(batch_script(*case))
