"""Files that others read are whole at any moment; what cannot be written says so and harms nothing."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import (
    absolute_path,
    append_jsonl,
    read_json,
    read_jsonl,
    write_atomic,
    write_json,
)

CHECKOUT = Path(__file__).resolve().parents[2]
HOSTILE_NAMES = ["a b", "it's", '"', "new\nline", "; rm -rf x", "$HOME", "ü", "x" * 250]


def child(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_any_file_name_can_be_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_atomic(path, "old")
    write_atomic(path, b"new\n")
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_mode_and_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "script.sh", "#!/bin/sh\n", mode=0o755)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "script.sh").stat().st_mode) == 0o750


def test_a_reader_never_sees_half_a_file_and_a_kill_leaves_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    code = (
        "import sys; from nsg_cluster.core.files import write_json\n"
        "n = 0\n"
        "while True: n += 1; write_json(sys.argv[1], {'n': n, 'pad': 'x' * 200_000})"
    )
    process = child(code, str(path))
    try:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < deadline
        seen = {read_json(path)["n"] for _ in range(200)}
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(seen) > 1
    assert len(read_json(path)["pad"]) == 200_000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"psnr": 1})

    def full(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    # Where a disk fills up late (network file systems) it is the sync that fails.
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"metrics\.json: cannot be written: .*; free some space") as caught:
        write_json(path, {"psnr": 2})
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert read_json(path) == {"psnr": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_real_limit_on_the_size_of_files_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_atomic(path, b"old")
    code = (
        "import resource, sys; from nsg_cluster.core.files import write_atomic\n"
        "from nsg_cluster.core.errors import RunError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "try: write_atomic(sys.argv[1], b'x' * (1 << 20))\n"
        "except RunError as error: sys.exit(0 if 'File too large' in str(error) else 3)\n"
        "sys.exit(4)"
    )
    assert child(code, str(path)).wait() == 0
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_refuses_or_is_missing_is_named(tmp_path: Path) -> None:
    # Nobody, not even root, makes files in /sys.
    with pytest.raises(RunError, match=r"^/sys/nsg: cannot be written: .*; ask for permission"):
        write_atomic("/sys/nsg", "x")
    with pytest.raises(RunError, match="absent/x: cannot be written: No such file or directory"):
        write_atomic(tmp_path / "absent" / "x", "x")
    with pytest.raises(RunError, match="/dev/full: cannot be written: No space left on device; free some space"):
        append_jsonl("/dev/full", {})


def test_a_file_name_that_is_no_utf_8_comes_back_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"b\xe4r.obj")
    write_json(tmp_path / "x.json", {"model": name, "psnr": float("nan")})
    assert read_json(tmp_path / "x.json") == {"model": name, "psnr": None}
    append_jsonl(tmp_path / "x.jsonl", {"model": name})
    assert read_jsonl(tmp_path / "x.jsonl") == [{"model": name}]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"loss": float("nan"), "psnr": [float("inf"), 1.5], "name": "ü"})
    assert json.loads(path.read_text()) == {"loss": None, "psnr": [None, 1.5], "name": "ü"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[" * 100_000, b"{} {}"])
def test_a_damaged_record_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"status\.json: is damaged"):
        read_json(path)


def test_a_missing_or_unreadable_record_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"absent\.json: no such file"):
        read_json(tmp_path / "absent.json")
    for read in (read_json, read_jsonl):
        with pytest.raises(RunError, match="cannot be read: Is a directory"):
            read(tmp_path)


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    code = (
        "import sys; from nsg_cluster.core.files import append_jsonl\n"
        "for step in range(200): append_jsonl(sys.argv[1], {'by': sys.argv[2], 'step': step, 'pad': 'x' * 3000})"
    )
    processes = [child(code, str(path), str(number)) for number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    lines = read_jsonl(path)
    assert len(lines) == 600
    for number in range(3):
        assert [line["step"] for line in lines if line["by"] == str(number)] == list(range(200))


def test_a_torn_line_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert read_jsonl(path) == []
    append_jsonl(path, {"step": 1, "loss": float("nan")})
    with path.open("ab") as file:
        file.write(b'{"step": 2, "lo')
    assert read_jsonl(path) == [{"step": 1, "loss": None}]
    append_jsonl(path, {"step": 3})
    assert [line["step"] for line in read_jsonl(path)] == [1, 3]


def test_a_relative_path_starts_at_the_current_folder_and_a_tilde_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute_path("a/../b") == tmp_path / "a/../b"
    assert absolute_path("~/data") == Path("/home/me/data")
    assert absolute_path("~nobody-of-that-name/data") == tmp_path / "~nobody-of-that-name/data"


def test_core_loads_neither_pydantic_nor_yaml_nor_a_terminal_library() -> None:
    code = (
        "import sys; import nsg_cluster.core.files, nsg_cluster.core.paths, nsg_cluster.core.process\n"
        "heavy = {'pydantic', 'yaml', 'rich', 'numpy', 'torch'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert child(code).wait() == 0
