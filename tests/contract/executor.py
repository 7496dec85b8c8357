"""What every executor owes: the suite that each one's tests inherit. Training is a fake, everything else is real."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.process import process_start_time
from nsg_cluster.runs.control import cancel, resubmit
from nsg_cluster.runs.status import read_run
from nsg_cluster.tasks.status import read_status
from tests.contract.runs import Bench, until

__all__ = ["ExecutorContract"]

SWEEP = "sweep={grid: {seed: [0, 1, 2]}}"


class ExecutorContract:
    """Inherit it, and say in ``site`` where runs go."""

    site: str | None = None

    @pytest.fixture(autouse=True)
    def _on_the_site(self, bench: Bench) -> None:
        bench.site = self.site

    def test_a_task_runs_all_stages_and_keeps_what_it_said(self, bench: Bench) -> None:
        run = bench.submit(steps=3)
        row = bench.wait(run)
        assert (row.state, row.psnr, row.exit_status) == ("succeeded", 20.0, 0)
        said = [line for line in run.task(0).log_out.read_text().splitlines() if "tasks.stages" not in line]
        assert said == ["training tiny", "from step 0", "evaluated"]
        assert run.task(0).log_err.read_text() == ""
        status = read_status(run.task(0))
        assert status.attempt == 1 and status.exit_status == 0 and status.job_id
        assert status.started and status.ended and status.started < status.ended

    def test_a_sweep_runs_no_more_tasks_at_a_time_than_allowed(self, bench: Bench) -> None:
        run = bench.submit(SWEEP, steps=20, max_parallel=2)
        most = 0

        def ended() -> bool:
            nonlocal most
            row = read_run(run)
            most = max(most, sum(task.status.state == "running" for task in row.tasks))
            return row.is_final

        until(ended)
        row = read_run(run)
        assert most == 2
        assert [task.psnr for task in row.tasks] == [20.0, 21.0, 22.0]
        assert row.state == "succeeded" and row.position == "3/3 tasks" and row.psnr == 21.0

    @pytest.mark.parametrize(
        ("description", "exit_status", "reason"),
        [
            ("exit 7", 7, "about to leave"),
            ("mistake", 2, "the folder of images is missing"),
            ("fail at 2", 1, "loss is not finite at step 2"),
            ("crash", 1, "ZeroDivisionError: a fault of ours"),
        ],
    )
    def test_an_exit_status_and_its_sentence_are_kept(
        self, bench: Bench, description: str, exit_status: int, reason: str
    ) -> None:
        run = bench.submit(description=description, steps=5)
        row = bench.wait(run)
        status = row.tasks[0].status
        assert (status.state, status.exit_status, status.reason) == ("failed", exit_status, reason)
        assert row.exit_status == (2 if exit_status == 2 else 1)
        assert ("Traceback" in run.task(0).log_err.read_text()) == (description == "crash")

    def test_one_failed_task_does_not_keep_the_others_from_running(self, bench: Bench) -> None:
        run = bench.submit("sweep={list: [{description: exit 3}, {seed: 1}]}")
        row = bench.wait(run)
        assert [task.status.state for task in row.tasks] == ["failed", "succeeded"]
        assert row.state == "failed"

    def test_cancelling_one_task_lets_the_others_end(self, bench: Bench) -> None:
        run = bench.submit(SWEEP, steps=30, max_parallel=2)
        bench.wait_for_step(run, index=0)
        cancel(run, [0, 2])
        row = bench.wait(run)
        assert [task.status.state for task in row.tasks] == ["cancelled", "succeeded", "cancelled"]
        assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 1, "a checkpoint was written"
        assert not run.task(2).log_out.exists(), "it was never started"

    def test_cancelling_all_stops_everything_and_may_be_repeated(self, bench: Bench) -> None:
        run = bench.submit(SWEEP, steps=1000)
        bench.wait_for_step(run)
        stage = bench.stage_process(run)
        for _ in range(2):
            assert cancel(run).state == "cancelled"
        until(lambda: process_start_time(stage) is None)
        assert read_status(run.task(0)).exit_status == 143

    def test_a_killed_training_is_failed_with_its_signal_and_goes_on_when_resubmitted(self, bench: Bench) -> None:
        run = bench.submit(steps=40)
        bench.wait_for_step(run)
        os.kill(bench.stage_process(run), signal.SIGKILL)
        status = bench.wait(run).tasks[0].status
        assert (status.state, status.signal, status.exit_status) == ("failed", "SIGKILL", None)
        assert "SIGKILL" in status.reason
        assert resubmit(run) == [0]
        row = bench.wait(run)
        assert row.state == "succeeded" and row.tasks[0].status.attempt == 2
        assert resubmit(run) == [], "nothing is left to do"

    def test_a_killed_watcher_is_lost_and_its_training_does_not_run_on(self, bench: Bench) -> None:
        run = bench.submit(steps=2000)
        bench.wait_for_step(run, 3)
        watcher, stage = read_status(run.task(0)).pid, bench.stage_process(run)
        assert watcher
        os.kill(watcher, signal.SIGKILL)
        assert bench.wait(run).state == "lost"
        until(lambda: process_start_time(stage) is None, "the training notices that nobody watches it")
        assert int((run.task(0).checkpoints / "count.sha256").read_text()) >= 3, "it wrote a checkpoint"

    def test_a_task_goes_on_after_its_time_limit_until_it_is_done(self, bench: Bench) -> None:
        # Five seconds until the warning: fewer than a hundred steps in each attempt.
        run = bench.submit(steps=130, walltime="6s")
        row = bench.wait(run)
        assert row.state == "succeeded"
        assert row.tasks[0].status.attempt >= 2
        starts = [line for line in run.task(0).log_out.read_text().splitlines() if line.startswith("from step")]
        assert starts[0] == "from step 0" and len(set(starts)) == len(starts), "each attempt went on"

    def test_a_task_that_ignores_the_warning_is_stopped_at_its_time_limit(self, bench: Bench) -> None:
        run = bench.submit(description="deaf", steps=2000, walltime="4s")
        row = bench.wait(run)
        assert row.state == "timeout" and row.exit_status == 1

    def test_a_running_run_cannot_be_started_a_second_time(self, bench: Bench) -> None:
        run = bench.submit(steps=1000)
        bench.wait_for_step(run)
        with pytest.raises(RunError, match="is running; wait for its end"):
            resubmit(run)
        cancel(run)

    def test_the_name_of_the_storage_may_be_anything(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        nasty = ["a b", "it's", 'say "x"', "new\nline", "-rf; $(touch x) `touch y` ${HOME} \\", "~", "é%s{}[!*?]"]
        folder = bench.root.joinpath(*nasty)
        folder.mkdir(parents=True)
        monkeypatch.setenv("NSG_STORAGE", str(folder))
        run = bench.submit(steps=1)
        assert run.root.is_relative_to(folder)
        assert bench.wait(run).state == "succeeded"
        assert sorted(path.name for path in bench.root.iterdir()) == sorted([nasty[0], "tiny.yaml"])

    def test_a_run_does_not_need_the_folder_that_it_was_submitted_from(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = bench.root / "gone"
        folder.mkdir()
        # A module that would hide a real one, were this folder searched.
        (folder / "click.py").write_text("raise SystemExit('found the wrong module')")
        monkeypatch.chdir(folder)
        run = bench.submit(SWEEP, steps=10)
        for file in folder.iterdir():
            file.unlink()
        Path(folder).rmdir()
        monkeypatch.chdir("/")
        assert bench.wait(run).state == "succeeded"
