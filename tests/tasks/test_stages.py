"""The stages of a task as a program of its own.

Drives `nsg_cluster.tasks.stages`, `nsg_cluster.tasks.foreground` and `nsg_cluster.tasks.watch`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nsg_cluster.core.files import read_json, write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.process import process_start_time
from nsg_cluster.tasks.status import TaskStatus, current_status, read_status, write_status
from nsg_cluster.tasks.watch import _last_words, position, watch
from tests.contract.runs import FAKE, Bench, bench, until

__all__ = ["bench"]
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paths(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> TaskPaths:
    """Return a task whose training takes two seconds."""
    monkeypatch.setenv("PYTHONPATH", f"{FAKE}:{CHECKOUT}")
    found = TaskPaths(bench.root / "0")
    found.root.mkdir()
    found.spec.write_text(bench.write(steps=40).read_text())
    return found


def stages(paths: TaskPaths, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "nsg_cluster.tasks", str(paths.root), *arguments]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def has_begun(paths: TaskPaths) -> bool:
    return paths.progress.exists()


def test_started_by_hand_it_keeps_its_status_and_goes_on_after_an_interruption(paths: TaskPaths) -> None:
    first = stages(paths)
    until(lambda: has_begun(paths))
    assert current_status(paths).state == "running" and read_status(paths).pid == first.pid
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (143, "")
    assert read_status(paths).state == "cancelled"
    again = stages(paths)
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "from step 0" not in out and "from step" in out
    status = read_status(paths)
    assert (status.state, status.attempt, status.exit_status) == ("succeeded", 2, 0)


def test_a_warning_ends_it_with_75_after_a_checkpoint_and_says_where(paths: TaskPaths) -> None:
    process = stages(paths, "--watched")
    until(lambda: has_begun(paths))
    process.send_signal(signal.SIGUSR2)
    process.send_signal(signal.SIGUSR2)
    process.wait(timeout=60)
    process.communicate()
    assert process.returncode == 75
    reached = position(paths)
    assert reached is not None and reached == (1, int((paths.checkpoints / "count.sha256").read_text()))


def test_when_its_watcher_goes_away_it_ends(paths: TaskPaths) -> None:
    process = stages(paths, "--watched")
    until(lambda: has_begun(paths))
    assert process.stdin
    process.stdin.close()
    assert process.wait(timeout=60) == 143
    assert process.stdout and process.stderr
    process.stdout.close()
    process.stderr.close()


def test_what_is_up_to_date_is_not_repeated_until_its_settings_change(paths: TaskPaths) -> None:
    assert stages(paths).communicate(timeout=60)[0].count("evaluated") == 1
    out, _ = stages(paths).communicate(timeout=60)
    assert "evaluate: already done" in out and "render: already done" in out and "evaluated" not in out
    paths.spec.write_text(paths.spec.read_text() + "evaluate: {max_views: 1}\n")
    assert "evaluated" in stages(paths).communicate(timeout=60)[0]
    paths.metrics.unlink()
    assert "evaluated" in stages(paths).communicate(timeout=60)[0]


def test_one_stage_alone_does_not_change_what_is_known_of_the_task(paths: TaskPaths) -> None:
    out, err = stages(paths, "--stage", "evaluate").communicate(timeout=60)
    assert "evaluated" in out and "training" not in out, err
    assert not paths.status.exists()


@pytest.mark.parametrize("spec", [None, "", "name: [", "name: tiny\ntrain: {stepz: 3}\n"])
def test_a_folder_without_a_usable_spec_is_a_mistake_of_the_user(paths: TaskPaths, spec: str | None) -> None:
    paths.spec.unlink() if spec is None else paths.spec.write_text(spec)
    process = stages(paths)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("error: ") and "Traceback" not in err


def test_two_by_hand_are_refused_with_one_sentence(paths: TaskPaths) -> None:
    first = stages(paths)
    until(lambda: has_begun(paths))
    second = stages(paths)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2 and err.count("\n") == 1 and "is in use by process" in err
    first.terminate()
    first.communicate(timeout=60)


def test_a_time_limit_that_is_too_short_to_get_anywhere_ends_the_task(
    paths: TaskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The attempt before was stopped at step 39 of 40 in a stage that comes later than any this one will reach.
    write_status(paths, TaskStatus(state="queued", attempt=4, stopped_at=(3, 39)))
    watcher = subprocess.Popen(
        [sys.executable, "-c", f"from nsg_cluster.tasks.base import Task; Task({str(paths.spec)!r})()"],
        start_new_session=True,
    )
    until(lambda: has_begun(paths))
    watcher.send_signal(signal.SIGUSR2)
    watcher.wait(timeout=60)
    status = read_status(paths)
    assert status.state == "timeout"
    assert "attempt 5" in status.reason and "raise resources.walltime" in status.reason


def test_a_task_that_was_cancelled_before_it_began_is_not_started(paths: TaskPaths) -> None:
    write_json(paths.cancelled, {})
    assert watch(paths).state == "cancelled"
    assert not paths.log_out.exists()


def test_a_killed_watcher_leaves_no_process_behind(paths: TaskPaths) -> None:
    code = f"from nsg_cluster.tasks.base import Task; Task({str(paths.spec)!r})()"
    watcher = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: has_begun(paths))
    from tests.contract.runs import children_of

    (stage,) = children_of(watcher.pid)
    watcher.kill()
    watcher.wait()
    until(lambda: process_start_time(stage) is None)
    assert current_status(paths).state == "lost"
    assert read_json(paths.progress)["step"] >= 1


def test_a_failure_without_a_word_on_a_full_disk_is_put_down_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.err"
    log.write_text("an attempt before\n")
    assert _last_words(log, 0) == "an attempt before"
    assert _last_words(log, log.stat().st_size) == "it left no message"
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert _last_words(log, log.stat().st_size) == "it left no message, for the disk is full"
