"""`tests.clusters.sharing`: one set of daemons for many processes, none of which waits for another."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tests.clusters.cluster import Cluster
from tests.clusters.sharing import shared

CHECKOUT = Path(__file__).resolve().parents[2]
USE = """
import sys
from pathlib import Path
from tests.clusters.test_sharing import stub
from tests.clusters.sharing import shared
with shared(stub(Path(sys.argv[1]))):
    print("used", flush=True)
"""


@dataclass
class Place:
    base: Path


@dataclass
class Stub:
    """A cluster that is up where a file says so, and counts how often it was started."""

    account: Place
    name: str = "stub"

    def is_up(self) -> bool:
        return (self.account.base / "up").exists()

    def up(self) -> None:
        with (self.account.base / "starts").open("a") as file:
            file.write("x")
        (self.account.base / "up").touch()

    def down(self) -> None:
        (self.account.base / "up").unlink()


def stub(base: Path) -> Cluster:
    return cast(Cluster, Stub(Place(base)))


def test_who_uses_it_twice_or_beside_others_does_not_wait_and_the_last_stops_it(tmp_path: Path) -> None:
    argv: list[Any] = [sys.executable, "-c", USE, tmp_path]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with shared(stub(tmp_path)):
        with shared(stub(tmp_path)):
            done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True)
            assert done.stdout == "used\n"
        assert (tmp_path / "up").exists(), "somebody still uses it"
    assert not (tmp_path / "up").exists()
    assert (tmp_path / "starts").read_text() == "x"
