"""What is done in the user namespace of the images: list files, build by Buildah; by the system's own Python.

Run as ``buildah unshare python3 inside.py walk FOLDER SKIPPED…`` or ``… build REQUEST.json``; prints a JSON document.
One process for all steps, since each call of Buildah from outside sets up the namespace anew. Imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

SHORT = 300


def walk(root: str, skipped: list[str]) -> dict[str, list[str]]:
    """Return kind, mode and content of everything below a folder, by relative path."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            shown = os.path.relpath(path, root)
            if shown not in skipped:
                found[shown] = _entry(path)
        folders[:] = [name for name in folders if os.path.relpath(Path(folder, name), root) not in skipped]
    return found


def _entry(path: Path) -> list[str]:
    status = path.lstat()
    mode = oct(stat.S_IMODE(status.st_mode))
    if stat.S_ISLNK(status.st_mode):
        return ["link", str(path.readlink())]
    if not stat.S_ISREG(status.st_mode):
        return ["folder" if stat.S_ISDIR(status.st_mode) else "special", mode]
    content = path.read_bytes()
    return ["file", mode, content.decode() if len(content) < SHORT and content.isascii() else _digest(content)]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build(request: dict[str, Any]) -> dict[str, Any]:
    """Build a Dockerfile, run the image, and return its files, its environment and what the runs gave."""
    command = ["buildah", *request["storage"]]
    built = _run([*command, "build", "-q", *request["options"], "-t", request["tag"], request["context"]])
    if built.returncode != 0:
        return {"error": built.stderr[-1500:]}
    config = json.loads(_checked([*command, "inspect", "--type=image", request["tag"]]))["Docker"]["config"]
    container = _checked([*command, "from", request["tag"]]).strip()
    try:
        files = walk(_checked([*command, "mount", container]).strip(), request["skipped"])
        entry, words = config.get("Entrypoint") or [], config.get("Cmd") or []
        start = [*command, "run", "--isolation=chroot", container, "--"]
        runs = [_start([*start, *entry, *last]) for last in (words, request["arguments"])]
    finally:
        _checked([*command, "rm", container])
        _checked([*command, "rmi", request["tag"]])
    return {"files": files, "environment": config["Env"], "runs": runs}


def _start(argv: list[str]) -> list[int | str]:
    done = _run(argv)
    if not done.stdout:  # on a busy machine it sometimes loses what was printed
        done = _run(argv)
    return [done.returncode, done.stdout]


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _checked(argv: list[str]) -> str:
    done = _run(argv)
    if done.returncode != 0:
        raise RuntimeError(f"{argv}: exit status {done.returncode}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    verb, argument, *rest = sys.argv[1:]
    print(json.dumps(walk(argument, rest) if verb == "walk" else build(json.loads(Path(argument).read_text()))))
