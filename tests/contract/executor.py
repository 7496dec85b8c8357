"""What every executor owes: the suite that each one's tests inherit. Training is a fake, everything else is real.

All of it goes through command lines, on a cluster as an ordinary user of it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from nsg_cluster.core.files import read_json
from nsg_cluster.core.process import process_start_time
from tests.contract.person import Failed, Person, states
from tests.contract.runs import until

__all__ = ["SWEEP", "ExecutorContract"]

SWEEP = "sweep={grid: {seed: [0, 1, 2]}}"


class ExecutorContract:
    """Inherit it, and give a fixture ``person``."""

    # What becomes of a task whose wrapper was killed: without a scheduler nobody can tell its exit status.
    killed = "failed"
    # Characters that a scheduler takes for its own wherever they stand in a path.
    forbidden = ""

    def test_a_task_runs_all_stages_and_keeps_what_it_said(self, person: Person) -> None:
        run = person.submit(steps=3)
        row = person.wait(run)
        assert (row["state"], row["psnr"], row["complaint"]) == ("succeeded", 20.0, "")
        said = [line for line in run.task(0).log_out.read_text().splitlines() if "tasks.stages" not in line]
        assert said == ["training tiny", "from step 0", "evaluated"]
        assert person.type("logs", str(run.root)) == run.task(0).log_out.read_text()
        assert run.task(0).log_err.read_text() == ""
        (task,) = row["tasks"]
        assert task["attempt"] == 1 and task["exit_status"] == 0 and task["job_id"]
        assert task["started"] < task["ended"]

    def test_a_sweep_runs_no_more_tasks_at_a_time_than_allowed(self, person: Person) -> None:
        run = person.submit(SWEEP, steps=20, options=("--max-parallel", "2"))
        person.wait(run)
        begun = sorted((task["started"], task["ended"]) for task in person.row(run)["tasks"])
        most = max(sum(start <= moment < end for start, end in begun) for moment, _ in begun)
        assert most <= 2
        row = person.row(run)
        assert [task["psnr"] for task in row["tasks"]] == [20.0, 21.0, 22.0]
        assert row["state"] == "succeeded" and row["psnr"] == 21.0

    def test_exit_statuses_and_their_sentences_are_kept_and_one_failure_does_not_stop_the_others(
        self, person: Person
    ) -> None:
        endings = {
            "exit 7": (7, "about to leave"),
            "mistake": (2, "the folder of images is missing"),
            "fail at 2": (1, "loss is not finite at step 2"),
            "crash": (1, "ZeroDivisionError: a fault of ours"),
            "exit 99": (99, "about to leave"),
            "": (0, ""),
        }
        entries = ", ".join(f"{{description: '{text}'}}" for text in endings)
        run = person.submit(f"sweep={{list: [{entries}]}}", steps=5, options=("--max-parallel", "6"))
        row = person.wait(run)
        found = [(task["exit_status"], task["reason"]) for task in row["tasks"]]
        assert found == list(endings.values())
        assert states(row) == ["failed"] * 5 + ["succeeded"] and row["state"] == "failed"
        assert "Traceback" in person.type("logs", str(run.root), "--task", "3", "--stderr")
        assert "Traceback" not in person.type("logs", str(run.root), "--task", "2", "--stderr")

    def test_cancelling_one_task_lets_the_others_end(self, person: Person) -> None:
        run = person.submit(SWEEP, steps=30, options=("--max-parallel", "2"))
        person.wait_for_step(run, index=0)
        person.type("cancel", str(run.root), "--task", "0", "--task", "2")
        row = person.wait(run)
        assert states(row) == ["cancelled", "succeeded", "cancelled"]
        assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 1, "a checkpoint was written"
        assert not run.task(2).log_out.exists(), "it was never started"

    def test_cancelling_all_stops_everything_and_may_be_repeated(self, person: Person) -> None:
        run = person.submit(SWEEP, steps=1000, options=("--max-parallel", "1"))
        person.wait_for_step(run)
        stage = person.stage_process(run)
        for _ in range(2):
            assert "cancelled" in person.type("cancel", str(run.root))
        assert states(person.row(run)) == ["cancelled"] * 3
        until(lambda: process_start_time(stage) is None)
        assert person.row(run)["tasks"][0]["exit_status"] == 143

    def test_a_killed_training_is_failed_with_its_signal_and_goes_on_when_resubmitted(self, person: Person) -> None:
        run = person.submit(steps=40)
        person.wait_for_step(run)
        os.kill(person.stage_process(run), signal.SIGKILL)
        (task,) = person.wait(run)["tasks"]
        assert (task["state"], task["signal"], task["exit_status"]) == ("failed", "SIGKILL", None)
        assert "SIGKILL" in task["reason"]
        person.type("resubmit", str(run.root), "--detach")
        row = person.wait(run)
        assert row["state"] == "succeeded" and row["tasks"][0]["attempt"] == 2
        assert "nothing to do" in person.type("resubmit", str(run.root), "--detach")

    def test_several_runs_are_resubmitted_with_one_command(self, person: Person) -> None:
        runs = [person.submit(f"name=r{index}", description="fail at 1", steps=3) for index in range(2)]
        for run in runs:
            person.wait(run)
        said = person.type("resubmit", *(str(run.root) for run in runs))
        assert said.count("1 task started again") == 2
        assert [person.wait(run)["tasks"][0]["attempt"] for run in runs] == [2, 2]

    def test_a_killed_watcher_is_noticed_and_its_training_does_not_run_on(self, person: Person) -> None:
        run = person.submit(steps=2000)
        person.wait_for_step(run, 3)
        watcher, stage = read_json(run.task(0).status)["pid"], person.stage_process(run)
        os.kill(watcher, signal.SIGKILL)
        assert person.wait(run)["state"] == self.killed
        until(lambda: process_start_time(stage) is None, "the training notices that nobody watches it")
        if self.killed == "lost":  # a scheduler kills what a job leaves behind
            assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 3, "it wrote a checkpoint"

    def test_a_task_goes_on_after_its_time_limit_until_it_is_done_and_its_logs_are_followed(
        self, person: Person
    ) -> None:
        # Five seconds until the warning: fewer than a hundred steps in each attempt.
        run = person.submit(steps=130, walltime="6s")
        said = person.type("logs", str(run.root), "-f")
        assert said.count("training tiny") >= 2 and "\nevaluated\n" in said, said
        row = person.row(run)
        assert row["state"] == "succeeded"
        assert row["tasks"][0]["attempt"] >= 2
        starts = [line for line in run.task(0).log_out.read_text().splitlines() if line.startswith("from step")]
        assert starts[0] == "from step 0" and len(set(starts)) == len(starts), "each attempt went on"

    def test_a_task_is_continued_so_often_and_no_more(self, person: Person) -> None:
        run = person.submit("resources.continuations=0", steps=2000, walltime="4s")
        (task,) = person.wait(run)["tasks"]
        assert (task["state"], task["attempt"]) == ("timeout", 1)
        assert task["reason"] == "its time limit has ended it 1 times; it goes on with resubmit"

    def test_a_running_run_cannot_be_started_a_second_time(self, person: Person) -> None:
        run = person.submit(steps=1000)
        person.wait_for_step(run)
        with pytest.raises(Failed, match="is running; wait for its end"):
            person.type("resubmit", str(run.root), "--detach")
        person.type("cancel", str(run.root))

    def test_a_run_begins_after_another_has_succeeded(self, person: Person) -> None:
        first = person.submit(steps=30)
        second = person.submit("name=second", options=("--after", str(first.root)))
        assert person.wait(second)["state"] == "succeeded"
        ended = read_json(first.task(0).status)["ended"]
        assert ended <= read_json(second.task(0).status)["started"]

    def test_a_run_that_does_not_train_takes_the_weights_of_the_one_that_it_follows(self, person: Person) -> None:
        first = person.submit(SWEEP, steps=10, options=("--max-parallel", "3"))
        argv = ("--after", str(first.root), "--max-parallel", "3")
        second = person.submit("name=video", "stages=[render]", SWEEP, steps=10, options=argv)
        assert person.wait(second)["state"] == "succeeded"
        assert [(second.task(index).checkpoints / "count.sha256").read_text() for index in range(3)] == ["10"] * 3
        assert "training" not in second.task(0).log_out.read_text()
        assert (second.task(2).renders / "orbit.txt").exists()
        with pytest.raises(Failed, match="has 3 tasks, this one has 1: they must be the same"):
            person.submit("stages=[render]", options=("--after", str(first.root)))

    def test_a_run_after_one_that_fails_is_blocked_and_not_waited_for(self, person: Person) -> None:
        first = person.submit(description="fail at 20", steps=40)
        second = person.submit("name=second", options=("--after", str(first.root)))
        row = person.wait(second)
        assert row["state"] == "blocked" and row["tasks"][0]["reason"]
        with pytest.raises(Failed, match="nothing can begin: task 0 of it is failed"):
            person.submit("name=third", options=("--after", str(first.root)))

    def test_names_may_be_anything(self, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        nasty = ["a b", "it's", 'say "x"', "new\nline", "-rf; $(touch x) `touch y` ${HOME} \\", "~", "é%s{}[!*?],:"]
        table = str.maketrans("", "", self.forbidden)
        nasty = [name.translate(table) for name in nasty]
        folder = person.folder(person.root.joinpath(*nasty))
        before = sorted(path.name for path in person.root.iterdir())
        monkeypatch.setitem(person.environment, "NSG_STORAGE", str(folder))
        run = person.submit('description=it\'s $(touch z) "q"', steps=1, cwd=folder)
        assert run.root.is_relative_to(folder)
        row = person.wait(run)
        assert row["state"] == "succeeded", row
        assert sorted({*before, "tiny.yaml"}) == sorted(path.name for path in person.root.iterdir())
        assert not list(folder.rglob("[xyz]"))

    def test_a_run_does_not_need_the_folder_that_it_was_submitted_from(self, person: Person) -> None:
        folder = person.folder(person.root / "gone")
        # A module that would hide a real one, were this folder searched.
        person.write(folder / "click.py", "raise SystemExit('found the wrong module')")
        run = person.submit(SWEEP, steps=10, cwd=folder)
        for file in folder.iterdir():
            file.unlink()
        Path(folder).rmdir()
        row = person.wait(run)
        assert row["state"] == "succeeded", row
