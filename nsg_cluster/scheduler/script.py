"""The batch script: header, prologue, command, epilogue.

A script owns its output: its first lines find out which job and element it is and redirect both streams, so that what
follows is read live in the run's folder and not in the scheduler's file after the end. From its first line an unset
variable is an error. All text is quoted here and only here; what is to be replaced in the job is written ``$NAME`` or
``${NAME}``, a dollar sign ``$$``.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nsg_cluster.core.errors import ConfigError, did_you_mean
from nsg_cluster.core.logs import printable
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.types import Submission

__all__ = [
    "JOB_ID",
    "MODULES_INIT",
    "TASK",
    "Program",
    "batch_script",
    "environment_lines",
    "expanded",
    "in_environment",
    "misspelled",
    "module_lines",
    "plain",
]

JOB_ID, TASK = "NSG_JOB_ID", "NSG_TASK"
SCRATCH = "NSG_SCRATCH"
MODULES_INIT = "/etc/profile.d/modules.sh"
REFERENCE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
# Set by every shell or login.
USUAL = {"HOME", "HOSTNAME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs in a job, and around it. Texts marked *expanded* may hold ``$NAME``."""

    command: tuple[str, ...]
    """Program and arguments, literally."""
    folder: str
    """Where to run, literally."""
    out: str
    """File for standard output, expanded: ``/runs/x/tasks/$NSG_TASK/log.out``. It is appended to."""
    err: str
    """File for standard error, expanded."""
    folders: tuple[str, ...] = ()
    """Folders to make before anything is written, expanded."""
    title: str = ""
    """What it is, for people who read the script."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables to set, in order, expanded."""
    modules: tuple[str, ...] = ()
    """Modules to load."""
    modules_init: str = MODULES_INIT
    """File that defines ``module``."""
    scratch: str | None = None
    """Folder of the job on its node, expanded: ``$PBS_LOCALDIR``. The command finds it in ``NSG_SCRATCH``."""
    prologue: tuple[str, ...] = ()
    """Lines of bash before the command."""
    epilogue: tuple[str, ...] = ()
    """Lines of bash after it; they do not change how the job ends."""


def batch_script(dialect: Dialect, submission: Submission, program: Program) -> str:
    """Return the text of a script.

    Raises:
        ConfigError: The scheduler cannot express something that is asked for.
    """
    options = dialect.directives(submission)
    if broken := [option for option in options if "\n" in option]:
        raise ConfigError(f"{broken[0]!r}: an option of {dialect.title} must be one line")
    out, err, *folders = (
        expanded(path, dialect, known=(JOB_ID, TASK)) for path in (program.out, program.err, *program.folders)
    )
    blocks = [
        ["#!/bin/bash", *(f"{dialect.prefix} {option}" for option in options)],
        [f"# {printable(program.title)}"] if program.title else [],
        ["set -u", *dialect.identity, f"export {JOB_ID} {TASK}"],
        [
            *(f"mkdir -p {folder} || exit" for folder in folders),
            f"exec >> {out} 2>> {err} || exit",
            f"cd {plain(program.folder)} || exit",
        ],
        module_lines(program.modules, program.modules_init),
        environment_lines(dialect, program.environment, program.scratch),
        list(program.prologue),
        _command(program),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def module_lines(modules: Sequence[str], init: str) -> list[str]:
    """Return the lines that load modules, none where there are none."""
    if not modules:
        return []
    # The files that define `module` read variables that nobody set.
    return [
        "set +u",
        f"source {plain(init)} || exit",
        f"module load {' '.join(map(plain, modules))} || exit",
        "set -u",
    ]


def environment_lines(dialect: Dialect, environment: Mapping[str, str], scratch: str | None) -> list[str]:
    """Return the lines that set variables, expanded, in order; that of the scratch first.

    Raises:
        ConfigError: A dollar sign stands for nothing.
    """
    variables = {SCRATCH: scratch, **environment} if scratch is not None else dict(environment)
    lines, known = [], [JOB_ID, TASK]
    for name, value in variables.items():
        lines.append(f"export {name}={expanded(value, dialect, known=known)}")
        known.append(name)
    return lines


def _command(program: Program) -> list[str]:
    # With a trap bash waits for the command when a signal reaches both, instead of ending before it.
    lines = ["trap : HUP INT TERM USR1 USR2", " ".join(map(plain, program.command)), "status=$?"]
    return [*lines, *program.epilogue, "exit $status"]


def plain(text: str) -> str:
    """Return a text quoted so that bash reads it as one literal word, on one line.

    Grid Engine looks for its options on every line of a script, also inside quotes.

    Raises:
        ConfigError: It holds a character that no argument can hold.
    """
    if "\0" in text:
        raise ConfigError(f"{printable(text)!r} holds a zero byte")
    if "\n" not in text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{escaped}'"


def expanded(text: str, dialect: Dialect, *, known: Sequence[str] = ()) -> str:
    """Return a text quoted as one word; ``$NAME`` and ``${NAME}`` stand for variables of the job, ``$$`` for a dollar.

    A variable that is not set ends the job with a sentence, before anything runs.

    Raises:
        ConfigError: A dollar sign stands for nothing.
    """
    parts, end = [], 0
    for match in REFERENCE.finditer(text):
        dollar, name = match[1] or "", match[2] or match[3]
        if not dollar and not name:
            raise ConfigError(f"{printable(text)!r}: write $NAME for a variable of the job, or $$ for a dollar sign")
        literal = text[end : match.start()] + dollar
        parts += [plain(literal)] if literal else []
        parts += [_reference(name, dialect, known)] if name else []
        end = match.end()
    parts += [plain(text[end:])] if text[end:] or not parts else []
    return "".join(parts)


def misspelled(text: str, dialect: Dialect, *, known: Sequence[str] = ()) -> tuple[str, str] | None:
    """Return the first variable in a text that no job has but for a letter or two, and the one that is meant.

    A name that is like no other may be one that the site sets.
    """
    names = {*dialect.variables.split(), *USUAL, *known, JOB_ID, TASK, SCRATCH}
    for match in REFERENCE.finditer(text):
        name = match[2] or match[3]
        if name and name not in names and (near := difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.85)):
            return name, near[0]
    return None


def in_environment(text: str, environment: Mapping[str, str], what: str) -> str:
    """Return a text with the variables of an environment in their places.

    Args:
        text: May hold ``$NAME``, ``${NAME}`` and ``$$``.
        environment: The variables.
        what: What the text is, for messages.

    Raises:
        ConfigError: A variable is not set, or a dollar sign stands for nothing.
    """

    def value(match: re.Match[str]) -> str:
        name = match[2] or match[3]
        if match[1]:
            return "$"
        if not name:
            raise ConfigError(f"{what}: {printable(text)!r}: write $NAME for a variable, or $$ for a dollar sign")
        if not environment.get(name):
            raise ConfigError(f"{what}: ${name} is not set here.{did_you_mean(name, environment)}")
        return environment[name]

    return REFERENCE.sub(value, text)


def _reference(name: str, dialect: Dialect, known: Sequence[str]) -> str:
    if name in known:
        return f'"${name}"'
    set_by_scheduler = dialect.variables.split()
    is_known = name in USUAL or name in set_by_scheduler
    hint = "" if is_known else did_you_mean(name, set_by_scheduler).replace("'", "")
    return f'"${{{name}:?is not set in this job.{hint}}}"'
