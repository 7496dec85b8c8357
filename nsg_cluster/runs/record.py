"""What was submitted: who, when, where, from which sources, and the tasks. Read and written as ``record.json``."""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nsg_cluster import __version__
from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from nsg_cluster.core.process import run
from nsg_cluster.executor.request import Request

__all__ = ["Record", "RecordedTask", "Sources", "new_id", "new_record", "read_record", "sources"]

SCHEMA = 1
GIT_TIMEOUT_S = 20.0
# Without characters that are mistaken for one another.
ID_LETTERS = "abcdefghjkmnpqrstuvwxyz"
ID_CHARACTERS = ID_LETTERS + "23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTask:
    """One task of a run."""

    name: str
    """Name of its experiment."""
    hash: str
    """Digest of its resolved experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources that a run was submitted with."""

    commit: str | None
    """git commit; ``None`` where the package does not run from a git checkout."""
    dirty: bool
    """Whether files differed from it."""
    difference: str
    """The difference, as ``git apply`` takes it; new files are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Content of ``record.json``; the index of a task is its place in ``tasks`` and in the request's."""

    id: str
    name: str
    """Name of the experiment."""
    user: str
    host: str
    time: float
    """When it was submitted, in unix seconds."""
    cwd: str
    argv: tuple[str, ...]
    site: str
    token: str
    """Written before anything is submitted: finds the job again if the launcher dies meanwhile."""
    git_commit: str | None
    git_dirty: bool
    python: str
    version: str
    """Version of the package."""
    request: Request
    tasks: tuple[RecordedTask, ...]
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file; tasks carry their index for people who read it."""
        tasks = [{"index": index, **asdict(task)} for index, task in enumerate(self.tasks)]
        return {**asdict(self), "request": self.request.to_json(), "tasks": tasks}


def new_id() -> str:
    """Return a short random id that begins with a letter."""
    return secrets.choice(ID_LETTERS) + "".join(secrets.choice(ID_CHARACTERS) for _ in range(5))


def new_record(
    run_id: str, name: str, *, site: str, request: Request, tasks: tuple[RecordedTask, ...], found: Sources
) -> Record:
    """Return the record of a run that is submitted here and now."""
    return Record(
        id=run_id,
        name=name,
        user=_user(),
        host=os.uname().nodename,
        time=time.time(),
        cwd=str(Path.cwd()),
        argv=tuple(sys.argv),
        site=site,
        token=secrets.token_hex(16),
        git_commit=found.commit,
        git_dirty=found.dirty,
        python=platform.python_version(),
        version=__version__,
        request=request,
        tasks=tasks,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as in a container
        return str(os.getuid())


def read_record(paths: RunPaths) -> Record:
    """Return the record of a run.

    Raises:
        RunError: There is none, or it is damaged.
    """
    content = read_json(paths.record)
    try:
        return _parsed(content)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{paths.record}: is damaged or of another version: {error}") from None


def _parsed(content: Mapping[str, Any]) -> Record:
    if content["schema"] != SCHEMA:
        raise ValueError(f"its schema is {content['schema']}, this program reads {SCHEMA}")
    values = {field.name: content[field.name] for field in fields(Record)}
    values["argv"] = tuple(values["argv"])
    values["tasks"] = tuple(RecordedTask(name=task["name"], hash=task["hash"]) for task in values["tasks"])
    values["request"] = Request.from_json(values["request"])
    return Record(**values)


def sources() -> Sources:
    """Return the commit of the checkout that this package runs from, and what differs from it."""
    package = Path(__file__).resolve().parents[1]
    # An installed package may lie inside somebody else's checkout, whose commit says nothing about it.
    if _git(package, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
        return Sources(commit=None, dirty=False, difference="")
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain")
    difference = _git(package, "diff", "--binary", "HEAD") or ""
    return Sources(commit=commit.strip() if commit else None, dirty=bool(changes), difference=difference)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says, ``None`` where there is no git or it fails."""
    try:
        answer = run(["git", "-C", str(folder), *arguments], timeout_s=GIT_TIMEOUT_S)
    except MachineError:
        return None
    return answer.out if answer.status == 0 else None
