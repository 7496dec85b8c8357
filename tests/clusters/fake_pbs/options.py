"""What qsub is told, on its command line and in the script."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.clusters.fake_pbs.store import Failure, Job

QUEUES = {"workq", "rt_HF", "rt_HG", "rt_HC"}
SLOTS = 8
USAGE = "usage: qsub [-a date_time] [-A account_string] [-c interval]\n       qsub --version"
WITH_VALUE = "NqloejJWPvrSpMmk"


def parse_options(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return options by letter, each value it was given, and the other words."""
    options: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        word, *words = words
        letter, value = word[1:2], word[2:]
        if letter not in WITH_VALUE + "hVzI":
            raise Failure(f"qsub: invalid option -- '{letter}'\n{USAGE}", 2)
        if letter in WITH_VALUE and not value:
            value, *words = words
        options.setdefault(letter, []).append(value)
    return options, words


def directives(script: str) -> list[str]:
    """Return the words of the options in a script, which end at the first command."""
    words: list[str] = []
    for line in script.splitlines()[1:]:
        if line.startswith("#PBS "):
            words += shlex.split(line[5:])
        elif line.strip() and not line.startswith("#"):
            break
    return words


def new_job(options: dict[str, list[str]], path: str) -> Job:
    last = {letter: values[-1] for letter, values in options.items()}
    resources = dict(text.split("=", 1) for text in options["l"])
    if last.get("q", "workq") not in QUEUES:
        raise Failure("qsub: Unknown queue", 170)
    walltime = resources.get("walltime")
    if walltime is not None and not re.fullmatch(r"(\d+:){0,2}\d+", walltime):
        raise Failure("qsub: Illegal attribute or resource value Resource_List.walltime", 166)
    attributes = dict(text.split("=", 1) for text in options.get("W", []))
    environment = dict(pair.split("=", 1) for text in options.get("v", []) for pair in text.split(","))
    return {
        "Job_Name": last.get("N", Path(path).name),
        "job_state": "H" if "h" in options else "Q",
        "substate": 20 if "h" in options else 10,
        "queue": last.get("q", "workq"),
        "project": last.get("P", "_pbs_project_default"),
        "walltime_s": seconds(walltime or "1:00:00"),
        "select": resources.get("select", "1:ncpus=1"),
        "depend": attributes.get("depend", ""),
        "limit": int(attributes.get("max_run_subjobs", SLOTS)),
        "output": last.get("o", ""),
        "variables": environment,
        "workdir": str(Path.cwd()),
        "run_count": 0,
    }


def array_indices(text: str) -> range:
    match = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", text)
    if not match or int(match[1]) >= int(match[2]):
        raise Failure(f"qsub: illegal -J value\n{USAGE}", 2)
    return range(int(match[1]), int(match[2]) + 1, int(match[3] or 1))


def seconds(text: str) -> int:
    """Return the seconds of ``1:00:00``."""
    return sum(int(part) * 60**power for power, part in enumerate(reversed(text.split(":"))))
