"""Files that other processes read: replaced whole or appended by the line, never seen half-written.

YAML is in `nsg_cluster.core.documents`, apart, so that listing runs does not load it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

from nsg_cluster.core.errors import RunError

__all__ = [
    "absolute_path",
    "append_jsonl",
    "read_json",
    "read_jsonl",
    "write_atomic",
    "write_json",
]


def absolute_path(text: Path | str) -> Path:
    """Return a path with ``~`` replaced by the home folder and, if it is relative, joined to the current folder."""
    # Unlike Path.expanduser this leaves the '~' of an unknown user alone; it is then reported as a missing folder.
    return Path(os.path.expanduser(text)).absolute()  # noqa: PTH111


def write_atomic(path: Path | str, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace a file by new content, so that readers see the old or the new, also after a loss of power.

    Args:
        path: File to write; its folder exists.
        data: The whole content; text is written as UTF-8.
        mode: Permissions, from which the process's umask is taken away.

    Raises:
        RunError: The file cannot be written (no permission, disk full, …); the old content is still there.
    """
    path = Path(path)
    # The name is short and its own, so that a long file name stays within the limit of the file system.
    temporary = path.parent / f".tmp-{secrets.token_hex(6)}"
    try:
        try:
            _write_synced(temporary, data.encode() if isinstance(data, str) else data, mode)
            os.replace(temporary, path)  # noqa: PTH105 - the same call; Path.replace only wraps it
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}{_advice(error)}") from None


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name last: a file system may keep a renamed file in memory only."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a folder; the content itself is on disk by now.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _advice(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "; free some space or choose another storage folder; what was there before is unchanged"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "; ask for permission or choose another storage folder; what was there before is unchanged"
    return ""


def write_json(path: Path | str, obj: object) -> None:
    """Replace a JSON file; numbers that JSON lacks (not a number, infinities) become ``null``.

    Raises:
        RunError: The file cannot be written.
    """
    write_atomic(path, _to_json(obj, indent=1) + "\n")


def _to_json(obj: object, *, indent: int | None = None) -> str:
    try:
        text = json.dumps(obj, allow_nan=False, ensure_ascii=False, indent=indent)
    except ValueError:
        text = json.dumps(obj := _finite(obj), allow_nan=False, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name whose bytes are no UTF-8
        return json.dumps(obj, allow_nan=False, indent=indent)
    return text


def _finite(obj: object) -> object:
    if isinstance(obj, float):
        return obj if math.isfinite(obj) else None
    if isinstance(obj, dict):
        return {key: _finite(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [_finite(value) for value in obj]
    return obj


def read_json(path: Path | str) -> Any:
    """Return the content of a JSON file.

    Raises:
        RunError: The file is missing, unreadable or damaged.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: no such file") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: is damaged, it holds no JSON document: {error}") from None


def append_jsonl(path: Path | str, obj: dict[str, Any]) -> None:
    """Append one line to a file of JSON objects; lines of several processes do not mix.

    A line that an earlier process left unfinished when it was killed is closed first.

    Raises:
        RunError: The file cannot be written.
    """
    line = _to_json(obj).encode() + b"\n"
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}{_advice(error)}") from None
    if written != len(line):
        raise RunError(f"{path}: cannot be written: the disk took {written} of {len(line)} bytes; is it full?")


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines; a line that was torn by a kill is left out, a missing file is empty.

    Raises:
        RunError: The file cannot be read.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    objects = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(line), dict):
                objects.append(found)
    return objects
