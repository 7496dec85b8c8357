"""The launcher, kept running for the commands of a test: ``python -m tests.contract.session`` reads and answers lines.

A line asks for one command line, in an environment and a folder; the answer is its exit status and what it printed.
Starting Python anew for each of some hundred commands would take longer than all that is tested.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from nsg_cluster.cli import main

__all__ = ["command"]


def command(argv: Sequence[str], environment: Mapping[str, str], folder: str) -> tuple[int, str, str]:
    """Run a command line here; return its exit status and what it printed."""
    before, place = dict(os.environ), Path.cwd()
    out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.TextIOWrapper(io.BytesIO(), write_through=True)
    try:
        os.environ.update(environment)
        os.chdir(folder)
        with redirect_stdout(out), redirect_stderr(err):
            status = main(argv)
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(place)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return status, said[0], said[1]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(command(**json.loads(line))), flush=True)
