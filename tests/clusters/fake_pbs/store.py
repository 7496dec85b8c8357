"""All jobs, in one file."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVER = "node1"
Job = dict[str, Any]


class Failure(Exception):
    """A message and an exit status."""


class Store:
    """All jobs, in one file that is locked while it is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def jobs(self) -> Iterator[dict[str, Job]]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / "jobs.json"
            jobs = json.loads(path.read_text()) if path.exists() else {}
            before = json.dumps(jobs)
            yield jobs
            after = json.dumps(jobs)
            if after != before:
                draft = path.with_suffix(".new")
                draft.write_text(after)
                draft.rename(path)

    def change(self, name: str, **values: Any) -> Job:
        with self.jobs() as jobs:
            jobs[name].update(values)
            return dict(jobs[name])

    def get(self, name: str) -> Job:
        with self.jobs() as jobs:
            return dict(jobs[name])


def find(jobs: dict[str, Job], text: str) -> str | None:
    """Return the full name of a job."""
    return next((name for name in (text, f"{text}.{SERVER}") if name in jobs), None)
