"""Programs are started from argument lists, and a failure is told whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.process import is_alive, process_start_time, run, start

HOSTILE = ["a b", "it's", '"', "new\nline", "; rm -rf /", "$(touch x)", "../..", "-rf", "x" * 300, "*", ""]


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def wait_until_dead(pid: int, start_time: float) -> None:
    deadline = time.monotonic() + 10
    while is_alive(pid, start_time):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def test_arguments_input_and_output_pass_unchanged_through_no_shell(tmp_path: Path) -> None:
    code = "import json, sys; json.dump([sys.argv[1:], sys.stdin.read()], sys.stdout)"
    done = run(python(code, *HOSTILE), timeout_s=60, cwd=tmp_path, input="grüße\n")
    assert done.check() is done
    assert json.loads(done.out) == [HOSTILE, "grüße\n"]
    assert list(tmp_path.iterdir()) == []


def test_the_environment_given_is_the_whole_environment() -> None:
    done = run(
        python("import os; print(os.environ.get('HOME'), os.environ['ONLY'])"), timeout_s=60, env={"ONLY": "this"}
    )
    assert done.out == "None this\n"


def test_a_failed_program_is_reported_with_arguments_status_and_the_end_of_its_errors() -> None:
    code = "import sys; print('\\n'.join(f'line {i}' for i in range(100)), file=sys.stderr); sys.exit(3)"
    done = run(python(code, "a b"), timeout_s=60)
    assert done.status == 3
    with pytest.raises(MachineError) as caught:
        done.check()
    text = str(caught.value)
    assert "'a b'" in text
    assert "exit status 3" in text
    assert text.endswith("  line 98\n  line 99")
    assert "line 79\n" not in text


def test_the_signal_that_ended_a_program_is_named() -> None:
    done = run(python("import os; os.kill(os.getpid(), 9)"), timeout_s=60)
    with pytest.raises(MachineError, match=r"ended by SIGKILL:\n  \(it printed nothing\)"):
        done.check()


def test_output_that_is_not_text_does_not_matter() -> None:
    assert "\N{REPLACEMENT CHARACTER}" in run(python(r"import os; os.write(1, b'\xff\xfe')"), timeout_s=60).out


def test_a_missing_program_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    program = tmp_path / "qsubmit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(MachineError, match=r"no program 'qsubmt' on PATH.* Did you mean 'qsubmit'\?"):
        run(["qsubmt", "x"], timeout_s=1, env={"PATH": str(tmp_path)})
    with pytest.raises(MachineError, match="which is not a folder"):
        run(["true"], timeout_s=1, cwd=tmp_path / "absent")
    with pytest.raises(MachineError, match="cannot be started: Permission denied"):
        run([str(tmp_path)], timeout_s=1)


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(MachineError, match="did not end within 1 s and was killed"):
        run(["sh", "-c", 'sleep 600 & echo $! > "$0"; wait', str(note)], timeout_s=1)
    assert time.monotonic() - began < 60
    pid = int(note.read_text())
    if (start_time := process_start_time(pid)) is not None:
        wait_until_dead(pid, start_time)


def test_a_started_program_outlives_the_call_and_is_known_by_number_and_time(tmp_path: Path) -> None:
    began = time.time()
    with (tmp_path / "out").open("wb") as out:
        process = start(python("print('up', flush=True); input()"), stdin=subprocess.PIPE, stdout=out, new_session=True)
    start_time = process_start_time(process.pid)
    assert start_time is not None
    assert abs(start_time - began) < 5
    assert os.getsid(process.pid) == process.pid
    assert is_alive(process.pid, start_time)
    assert not is_alive(process.pid, start_time - 60), "another process that had the number before"
    process.send_signal(signal.SIGKILL)
    # Until its status is asked for a dead process is a zombie; that is not alive.
    wait_until_dead(process.pid, start_time)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == -9
    assert process_start_time(process.pid) is None
