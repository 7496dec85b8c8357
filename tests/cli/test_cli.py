"""The command line as its users meet it: a program with arguments, two streams and an exit status.

Drives `nsg_cluster.cli.submit`, `nsg_cluster.cli.control`, `nsg_cluster.cli.ending`, `nsg_cluster.cli.look`,
`nsg_cluster.cli.options`, `nsg_cluster.cli.work`, `nsg_cluster.runs.clean` and `nsg_cluster.runs.foreground`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsg_cluster import __version__
from nsg_cluster.cli import command
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.executor.charge import put_in_charge
from nsg_cluster.runs.find import all_runs
from nsg_cluster.runs.status import read_run
from tests.contract.runs import Bench, bench, until
from tests.contract.terminal import started_at_a_terminal

__all__ = ["bench"]
CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCH = [sys.executable, str(CHECKOUT / "launch.py")]
PROMPT = {"PYTHONUNBUFFERED": "1"}
SWEEP = "sweep={grid: {seed: [0, 1, 2]}}"
Ended = subprocess.CompletedProcess[str]


def launch(*arguments: object, stdin: str | None = None) -> Ended:
    """Run a command line to its end."""
    argv = [*LAUNCH, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, check=False, text=True, timeout=120, input=stdin or "")


def check_mistake(ended: Ended, text: str) -> None:
    """Check that a mistake was answered with a sentence."""
    assert ended.returncode == 2, (ended.stdout, ended.stderr)
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr and ended.stdout == ""


def only_run(bench: Bench) -> RunPaths:
    (run,) = all_runs(bench.storage)
    return run


@pytest.mark.parametrize("verb", sorted(command.commands))
def test_the_help_of_every_verb_has_an_example_and_its_exit_statuses(verb: str) -> None:
    ended = launch(verb, "--help")
    assert ended.returncode == 0 and ended.stderr == ""
    assert re.search(rf"^    python launch.py {verb} ", ended.stdout, re.MULTILINE), "an example, not wrapped"
    assert "Exit status:" in ended.stdout


def test_the_general_help_lists_every_verb_with_a_whole_sentence() -> None:
    ended = launch("--help")
    assert ended.returncode == 0
    for verb in command.commands:
        assert re.search(rf"^  {verb} +\S.*[^.]\.$", ended.stdout, re.MULTILINE), verb


def test_the_version_is_printed() -> None:
    assert launch("--version").stdout == f"nsg_cluster {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["status", "@last", "--json"]])
def test_start_up_is_quick_and_loads_nothing_heavy(bench: Bench, arguments: list[str]) -> None:
    bench.wait(bench.submit(steps=1))
    code = (
        "import sys; from nsg_cluster.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'rich', 'submitit', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(status)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.35


def test_a_file_without_a_verb_is_submitted_followed_and_reported(bench: Bench) -> None:
    ended = launch(bench.write(steps=20))
    run = only_run(bench)
    assert ended.returncode == 0, ended.stderr
    assert f"run {run.root.name[-6:]} in {run.root}" in ended.stdout
    assert re.search(r"^[\d-]+ [\d:]+ tiny  succeeded$", ended.stdout, re.MULTILINE)
    for line in (f"report    {run.report}", f"metrics   {run.task(0).metrics}", f"folder    {run.root}"):
        assert line in ended.stdout.splitlines()
    assert re.search(r"^tiny +20.00 +0.5000$", ended.stdout, re.MULTILINE)
    assert run.report.stat().st_size > 1000
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", ended.stdout), "no control characters"


def test_a_detached_run_goes_on_and_every_verb_finds_it(bench: Bench) -> None:
    ended = launch("submit", bench.write(steps=30), "--detach")
    run_id = ended.stdout.strip()
    run = only_run(bench)
    assert ended.returncode == 0 and run.root.name.endswith(f"-{run_id}")
    refused = launch("clean", run_id, "--yes")
    check_mistake(refused, f"run {run_id} is ")
    followed = launch("logs", run_id[:3], "-f")
    assert followed.stdout == run.task(0).log_out.read_text()
    assert followed.stdout.endswith("render begins\n")
    document = json.loads(launch("status", run.root, "--json").stdout)["runs"][0]
    assert (document["id"], document["state"], document["psnr"]) == (run_id, "succeeded", 20.0)
    assert document["folder"] == str(run.root)
    assert document["tasks"][0]["step"] == 30 and document["tasks"][0]["exit_status"] == 0
    table = launch("status").stdout.splitlines()
    assert table[0].split() == ["RUN", "NAME", "STATE", "PROGRESS", "PSNR", "SSIM", "AGE"]
    assert table[1].split()[:7] == [run_id, "tiny", "succeeded", "train", "30/30", "20.00", "0.5000"]
    assert launch("resubmit", run_id).stdout == f"nothing to do: every task of {run_id} has succeeded\n"
    assert launch("cancel", run_id).stdout == f"{run_id} tiny: succeeded\n"
    assert launch("clean", "@last", "--yes").returncode == 0
    assert not list(bench.storage.runs.iterdir())


@pytest.mark.parametrize(
    ("description", "status", "sentence"),
    [
        ("fail at 3", 1, "failed: loss is not finite at step 3"),
        ("mistake", 2, "failed: the folder of images is missing"),
        ("crash", 1, "  ZeroDivisionError: a fault of ours"),
    ],
)
def test_waiting_is_silent_and_ends_with_the_status_and_the_sentence(
    bench: Bench, description: str, status: int, sentence: str
) -> None:
    ended = launch(bench.write(description=description, steps=5), "--wait")
    assert (ended.returncode, ended.stdout) == (status, "")
    assert sentence in ended.stderr and "resubmit" in ended.stderr
    assert ("Traceback" in ended.stderr) is False


def test_json_is_one_document_and_nothing_else(bench: Bench) -> None:
    ended = launch(bench.write(steps=1), SWEEP, "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert document["state"] == "succeeded" and len(document["tasks"]) == 3
    assert Path(document["report"]).is_file()
    for arguments in (["status"], ["doctor"], ["resubmit", "@last"], ["submit", bench.root / "tiny.yaml", "--dry-run"]):
        json.loads(launch(*arguments, "--json").stdout)
    detached = json.loads(launch(bench.root / "tiny.yaml", "--detach", "--json").stdout)
    assert detached["id"] and detached["state"] != "succeeded"


def test_a_dry_run_prints_what_would_run_and_writes_nothing(bench: Bench) -> None:
    file = bench.write()
    ended = launch(file, SWEEP, "train.steps=7", "--dry-run")
    assert ended.returncode == 0
    assert ended.stdout.count("\n---\n") == 3 and ended.stdout.count("steps: 7\n") == 3
    assert ended.stdout.count("\n# memory: about ") == 3
    assert f"# run folder: {bench.storage.runs}/tiny/" in ended.stdout
    assert list(bench.root.iterdir()) == [file]


def test_the_printed_script_runs_the_experiment(bench: Bench) -> None:
    file = bench.write()
    printed = launch("script", file, "train.steps=3", SWEEP)
    assert printed.returncode == 0 and not bench.storage.runs.exists()
    script = bench.root / "job.sh"
    script.write_text(printed.stdout)
    ended = subprocess.run(["bash", script], cwd="/", capture_output=True, check=False, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert [task.position for task in read_run(only_run(bench)).tasks] == ["train 3/3"] * 3


def test_control_c_while_following_cancels_after_a_checkpoint_and_says_how_to_go_on(bench: Bench) -> None:
    argv = [*LAUNCH, str(bench.write(steps=2000))]
    process = started_at_a_terminal(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: all_runs(bench.storage))
    run = only_run(bench)
    bench.wait_for_step(run)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert f"continue with: python launch.py resubmit {read_run(run).id}" in err
    assert read_run(run).state == "cancelled"
    assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 1
    run.task(0).spec.write_text(run.task(0).spec.read_text().replace("steps: 2000", "steps: 30"))
    assert launch("resubmit", "@last", "--wait").returncode == 0


def test_training_right_here_makes_a_run_and_goes_on_with_it(bench: Bench) -> None:
    argv = [*LAUNCH, "train", str(bench.write(steps=40))]
    process = started_at_a_terminal(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: all_runs(bench.storage))
    run = only_run(bench)
    bench.wait_for_step(run)
    assert read_run(run).tasks[0].status.pid == process.pid, "no other process"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "resubmit" in err and "Traceback" not in err
    ended = launch("train", "@last")
    assert ended.returncode == 0, ended.stderr
    assert f"report    {run.report}" in ended.stdout
    assert read_run(run).tasks[0].status.attempt == 2
    check_mistake(launch("train", "@last", "train.steps=3"), "those of a run are fixed")


def test_training_in_the_foreground_stops_at_its_time_limit_after_a_checkpoint(bench: Bench) -> None:
    ended = launch("train", bench.write(steps=100, walltime="4s"))
    run = only_run(bench)
    assert ended.returncode == 1
    assert "timeout: stopped at its time limit, after a checkpoint" in ended.stdout
    reached = int((run.task(0).checkpoints / "count.sha256").read_text())
    assert 0 < reached < 100
    assert f"from step {reached}\n" in launch("train", "@last").stdout


def test_evaluating_and_rendering_again_take_settings_and_name_their_files(bench: Bench) -> None:
    bench.wait(bench.submit(steps=1))
    run = only_run(bench)
    ended = launch("evaluate", "@last", "seed=5")
    assert ended.returncode == 0, ended.stderr
    assert str(run.task(0).metrics) in ended.stdout.splitlines()
    assert read_run(run).psnr == 25.0
    ended = launch("render", bench.root / "tiny.yaml", "--json")
    assert json.loads(ended.stdout)["tasks"][0]["files"] == [str(run.task(0).renders / "orbit.txt")]
    check_mistake(launch("render", "@last", "render.frame=3"), "Did you mean 'frames'?")


def test_logs_of_several_tasks_say_whose_they_are(bench: Bench) -> None:
    bench.wait(bench.submit(SWEEP, "description=fail at 1"))
    out = launch("logs", "@last").stdout
    assert re.findall(r"==> (.*) <==", out) == ["task 0", "task 1", "task 2"]
    assert launch("logs", "@last", "--task", 1, "--stderr").stdout == "error: loss is not finite at step 1\n"
    said = launch("logs", "@last", "--task", 1).stderr
    assert said.startswith("task 1 failed: loss is not finite at step 1\n") and said.endswith(" --task 1 --stderr\n")
    check_mistake(launch("logs", "@last", "--task", 3), "has no task 3; it has 0 to 2")


def test_what_cannot_be_found_is_a_mistake_with_a_hint(bench: Bench) -> None:
    check_mistake(launch("status", "zzzz"), "no run 'zzzz'")
    check_mistake(launch("logs", "@last"), "holds no run yet")
    check_mistake(launch("status", "/"), "is not the folder of a run")
    check_mistake(launch("statsu"), "Did you mean 'status'?")
    bench.write()
    check_mistake(launch(bench.root / "tyni.yaml"), "Did you mean 'tiny.yaml'?")
    check_mistake(launch("train", "nothing.yaml"), "no such file: 'nothing.yaml'")
    check_mistake(launch("submit"), "Missing argument 'FILE.yaml'")
    check_mistake(launch(bench.root), str(bench.root))
    for _ in range(2):
        bench.wait(bench.submit(steps=1))
    stamp = only_prefix(bench)
    check_mistake(launch("cancel", stamp), "is the beginning of 2 runs: ")


def only_prefix(bench: Bench) -> str:
    """Return what the names of all runs begin with."""
    first, *others = (run.root.name for run in all_runs(bench.storage))
    return next(first[:end] for end in range(len(first), 0, -1) if all(name.startswith(first[:end]) for name in others))


def test_a_storage_that_cannot_be_written_is_a_mistake_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.write()
    # A file where a folder should be: refused to root as well.
    (bench.root / "runs").write_text("")
    check_mistake(launch(file), "a run cannot be written there")
    monkeypatch.setenv("NSG_STORAGE", "/proc/nothing")
    check_mistake(launch(file), "/proc/nothing/runs: a run cannot be written there")
    assert sorted(path.name for path in bench.root.iterdir()) == ["runs", "tiny.yaml"]


@pytest.mark.parametrize("name", ["a b", "it's", 'say "x"', "new\nline", "; rm -rf ~", "..", "../up", "x" * 300, ""])
def test_a_name_that_is_no_folder_name_is_a_mistake_and_leaves_nothing(bench: Bench, name: str) -> None:
    file = bench.write()
    check_mistake(launch(file, f"name={name}"), "name")
    assert list(bench.root.iterdir()) == [file]


def test_cleaning_asks_chooses_and_never_leaves_the_storage(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good, bad = bench.submit(steps=1), bench.submit(description="exit 3")
    for run in (good, bad):
        bench.wait(run)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "precious"
    elsewhere.write_text("keep")
    (bad.root / "link").symlink_to(elsewhere.parent)
    check_mistake(launch("clean"), "name runs, or choose them")
    unanswered = launch("clean", "--failed")
    assert unanswered.returncode == 2 and "say --yes" in unanswered.stderr and bad.root.exists()
    assert launch("clean", "--failed", "--older-than", "1d", "--yes").stdout == "nothing to remove\n"
    assert launch("clean", "--failed", "--yes").returncode == 0
    assert not bad.root.exists() and good.root.exists() and elsewhere.read_text() == "keep"
    outside = elsewhere.parent / "tiny" / good.root.name
    outside.parent.mkdir()
    good.root.rename(outside)
    good.root.symlink_to(outside)
    refused = launch("clean", good.root.name, "--yes")
    assert refused.returncode == 2 and "remove it by hand" in refused.stderr and outside.is_dir()


def test_cleaning_removes_what_a_killed_launcher_left_and_nothing_that_is_being_made(bench: Bench) -> None:
    folder = bench.storage.runs / "tiny"
    drafts = {name: folder / name for name in (".new-killed", ".removed-killed", ".new-alive", ".new-young")}
    for path in drafts.values():
        (path / "tasks" / "0").mkdir(parents=True)
    put_in_charge(RunPaths(drafts[".new-alive"]), os.getpid())
    for name, path in drafts.items():
        if name != ".new-young":
            os.utime(path, (1, 1) if "killed" in name else (time.time() - 3600,) * 2)
    assert launch("clean", "--older-than", "1d").stdout.splitlines() == [
        "nothing to remove",
        "removed 2 unfinished folder(s) of launchers that were killed",
    ]
    assert sorted(path.name for path in folder.iterdir()) == [".new-alive", ".new-young"]


def test_a_reader_that_has_enough_is_no_error(bench: Bench) -> None:
    run = bench.submit(steps=1)
    bench.wait(run)
    run.task(0).log_out.write_text("line\n" * 200_000)
    line = f"'{sys.executable}' '{LAUNCH[1]}' logs @last | head -n 1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, check=False, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("line\n", "", 0)


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--json"]])
def test_standard_output_that_cannot_be_written_is_told(bench: Bench, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*LAUNCH, *arguments], stdout=full, stderr=subprocess.PIPE, check=False, text=True, timeout=60
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: standard output cannot be written: No space left on device; write it to another place\n"
    )


def test_runs_in_the_storage_of_another_site_are_found_by_naming_it(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Bench(tmp_path_factory.mktemp("another storage"))
    site = tmp_path_factory.mktemp("sites") / "other.yaml"
    site.write_text(f"name: other\nstorage: {elsewhere.root}\n")
    monkeypatch.delenv("NSG_STORAGE")
    monkeypatch.chdir(bench.root)
    ended = launch(bench.write(description="fail at 1"), "--wait", "--site", site)
    word = re.findall(r"launch\.py resubmit (.*)\n", ended.stderr)[0]
    run = only_run(elsewhere)
    assert word == f"'{run.root}'", "what is printed can be typed"
    assert launch("status").stdout.count("\n") == 1
    check_mistake(launch("status", read_run(run).id), "another site with: --site NAME")
    row = json.loads(launch("status", "--site", site, "--json").stdout)["runs"][0]
    assert row["folder"] == str(run.root)
    for verb, *more in (["logs"], ["report"], ["cancel"], ["resubmit", "--wait"], ["clean", "--yes"]):
        ended = launch(verb, "@last", "--site", site, *more)
        assert ended.returncode == (1 if verb == "resubmit" else 0), ended.stderr
    assert not all_runs(elsewhere.storage)


def test_control_c_as_soon_as_a_run_is_named_ends_it(bench: Bench) -> None:
    argv = [*LAUNCH, str(bench.write(steps=2000))]
    process = started_at_a_terminal(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **PROMPT})
    assert process.stdout and process.stdout.readline().startswith("run ")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "continue with: python launch.py resubmit " in err
    assert read_run(only_run(bench)).state == "cancelled"


def test_a_report_of_several_runs_is_a_page_or_a_table(bench: Bench) -> None:
    for seed in (1, 2):
        bench.wait(bench.submit(f"seed={seed}", steps=1))
    runs = [run.root.name for run in all_runs(bench.storage)]
    page = bench.root / "both.html"
    assert launch("report", *runs, "--out", page).stdout == f"{page}\n"
    assert "</html>" in page.read_text()
    assert launch("report", *runs, "--format", "csv").stdout.count("\n") == 3
    assert launch("report", "--format", "markdown").stdout.startswith("|")
