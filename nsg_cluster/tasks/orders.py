"""What a job is told beside the experiment: ``orders.json`` of a run, written once when it is submitted.

The *command* is the program that computes, as the host side of a job starts it: this very Python, or a container and
the Python in it. ``$NAME`` and ``${NAME}`` in it stand for variables of the job, ``$$`` for a dollar sign.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from string import Template

from nsg_cluster.core.errors import RunError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.logs import printable
from nsg_cluster.core.paths import RunPaths

__all__ = ["Orders", "in_job", "literal", "read_orders"]


def literal(text: str) -> str:
    """Return a text that `in_job` gives back unchanged."""
    return text.replace("$", "$$")


HERE = (literal(sys.executable), "-m", "nsg_cluster.tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Content of ``orders.json``."""

    command: tuple[str, ...] = HERE
    """Program that runs the stages of a task; the task's folder and options are appended."""
    after: tuple[str, ...] = ()
    """Folders of runs that must have succeeded before a task begins."""
    continuations: int | None = None
    """How often a task is continued after its time limit; ``None`` for no limit."""

    def to_json(self) -> dict[str, object]:
        """Return the content of the file."""
        return asdict(self)


def read_orders(run: RunPaths) -> Orders:
    """Return the orders of a run; those of an ordinary run on this machine where it has none.

    Raises:
        RunError: The file is damaged.
    """
    if not run.orders.exists():
        return Orders()
    try:
        found = read_json(run.orders)
        lists = {name: tuple(map(str, found[name])) for name in ("command", "after")}
        return Orders(**lists, continuations=found["continuations"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.orders}: is damaged or of another version: {error!r}") from None


def in_job(command: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """Return a command with the variables of the job in their places.

    Raises:
        RunError: A variable is not set.
    """
    words = []
    for word in command:
        try:
            words.append(Template(word).substitute(environment))
        except KeyError as error:
            raise RunError(f"{printable(word)!r}: the variable {error.args[0]} is not set in this job") from None
        except ValueError:
            raise RunError(f"{printable(word)!r}: write $NAME for a variable of the job, or $$ for a dollar") from None
    return words
