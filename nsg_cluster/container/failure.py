"""Why a container program failed, in one sentence that says what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["explain"]


@dataclass(frozen=True, slots=True)
class _Cause:
    """What a container program says, and what it means. ``{scratch}`` stands for the folder that it works in."""

    pattern: str
    meaning: str


# From most to least telling; Apptainer 1.4 and SingularityCE 4 word most of them alike.
CAUSES = (
    _Cause(
        r"no space left on device|disk quota exceeded",
        "the disk is full: make room in {scratch} and in the image's folder, or name another folder with --scratch",
    ),
    _Cause(
        r"no mapping entry found in /etc/sub[ug]id|not listed in /etc/sub[ug]id.*\n.*fakeroot command not found"
        r"|could not use fakeroot",
        "this user has no range of fakeroot ids: ask the administrator for a line in /etc/subuid and /etc/subgid",
    ),
    _Cause(
        r"user namespaces? (?:are )?(?:disabled|not (?:supported|enabled|available))"
        r"|(?:creat|clon)\w+ .*user ?namespace|failed to create user namespace|max_user_namespaces",
        "this machine lets ordinary users make no namespaces: ask the administrator for user.max_user_namespaces > 0, "
        "or build on another machine",
    ),
    _Cause(
        r"image format not recognized|reading the squashfs image|read the squashfs image|not a SIF|unexpected EOF"
        r"|no valid SIF|unknown image format|corrupt",
        "an image is damaged or is none: build it again, or copy it again",
    ),
    _Cause(
        r"permission denied",
        "a file cannot be read or written: {line}",
    ),
    _Cause(
        r"no such host|dial tcp|connection refused|network is unreachable|i/o timeout|TLS handshake|manifest unknown"
        r"|unauthorized|initializing source docker://",
        "a base image cannot be fetched: name one that is on disk with --base NAME=PATH",
    ),
)
LAST_LINES = 40
# Written by a definition that was made from a Dockerfile.
FAILED_LINE = re.compile(r"^Dockerfile:\d+: failed with exit status")
NOISE = re.compile(r"^(INFO|WARNING|DEBUG|VERBOSE):|^\s*$")
PREFIX = re.compile(r"^(FATAL|ERROR|error):\s*")


def explain(output: str, *, scratch: str = "") -> str:
    """Return why a program failed that has printed a text."""
    # A recipe's own programs may say any of these words long before, and go on.
    lines = output.splitlines()[-LAST_LINES:]
    line = last_words(lines)
    for cause in CAUSES:
        if re.search(cause.pattern, "\n".join(lines), re.IGNORECASE):
            return cause.meaning.format(scratch=scratch or "its temporary folder", line=line)
    failed = [index for index, text in enumerate(lines) if FAILED_LINE.match(text)]
    if not failed:
        return line
    said = [text.strip() for text in lines[: failed[-1]] if text.strip() and not NOISE.match(text)]
    return f"{lines[failed[-1]]}{f': {said[-1]}' if said else ''}"


def last_words(lines: Sequence[str]) -> str:
    """Return the last line that says what went wrong."""
    telling = [line.strip() for line in lines if not NOISE.match(line)]
    fatal = [line for line in telling if PREFIX.match(line)]
    return PREFIX.sub("", (fatal or telling or ["it printed nothing"])[-1])
