"""Secrets: variables from a file that only its owner can read, handed to the program that computes and to nobody else.

The file is read inside the job, so that nothing of it passes through a scheduler, which shows options, variables and
scripts of jobs to everybody who asks.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from nsg_cluster.core.errors import ConfigError

__all__ = ["SECRETS", "in_container", "read_secrets"]

# Names the file, to the host side of a job.
SECRETS = "NSG_SECRETS"
LINE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
# What Apptainer and SingularityCE hand on to a program inside, whatever else they keep out.
CONTAINER_PREFIXES = ("APPTAINERENV_", "SINGULARITYENV_")


def read_secrets(path: Path) -> dict[str, str]:
    """Return the variables that a file of secrets holds: lines of ``NAME=value``; ``#`` begins a comment line.

    Raises:
        ConfigError: The file is missing, somebody else's, readable by others, or a line is not of that form. No message
            holds anything of its content.
    """
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            content = file.read().decode()
    except UnicodeDecodeError:
        raise ConfigError(f"secrets: {path}: is not a text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"secrets: {path}: cannot be read: {error.strerror}") from None
    return _parsed(path, content)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"secrets: {path}: is not a file")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"secrets: {path}: belongs to another user (number {found.st_uid}); it must be yours")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ConfigError(f"secrets: {path}: others may use it (mode {mode:04o}); correct it with: chmod 600 {path}")


def _parsed(path: Path, content: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = LINE.match(text)
        if not match or "\0" in text:
            raise ConfigError(f"secrets: {path}:{number}: is not of the form NAME=value")
        found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(text: str) -> str:
    is_quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text


def in_container(secrets: dict[str, str]) -> dict[str, str]:
    """Return the variables that hand secrets on to a program in a container, out of sight of its arguments."""
    return {f"{prefix}{name}": value for prefix in CONTAINER_PREFIXES for name, value in secrets.items()}
