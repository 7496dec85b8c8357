"""The launcher as the ordinary user runs it, with Apptainer on ``PATH``."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clusters.interpreter import interpreter
from tests.containers.engines import Engines

MINUTES_S = 1800


@dataclass(frozen=True)
class Launcher:
    """Runs ``python -m nsg_cluster`` in a folder of its own, which is the storage as well."""

    engines: Engines
    folder: Path

    @property
    def images(self) -> Path:
        """Where images lie."""
        return self.folder / "images"

    def write(self, name: str, text: str) -> Path:
        """Write a file of the user."""
        path = self.folder / name
        for parent in reversed(path.relative_to(self.folder).parents):
            self.engines.account.folder(self.folder / parent)
        return self.engines.account.write(path, text)

    def argv(self, *words: str | Path) -> list[str]:
        """Return a command line of the launcher."""
        return [str(word) for word in (interpreter(self.engines.account), "-P", "-m", "nsg_cluster", *words)]

    @property
    def env(self) -> dict[str, str]:
        """The user's environment."""
        scratch = self.engines.account.folder(self.folder / "scratch")
        return {**self.engines.env, "NSG_STORAGE": str(self.folder), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end."""
        argv, environment = self.argv(*words), {**self.env, **env}
        return self.engines.account.run(argv, env=environment, cwd=self.folder, timeout_s=MINUTES_S)

    def check(self, *words: str | Path, **env: str) -> Any:
        """Run the launcher with ``--json`` and return what it says.

        Raises:
            RuntimeError: It failed.
        """
        done = self.run(*words, "--json", **env)
        if done.returncode != 0:
            raise RuntimeError(f"{words}: exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return json.loads(done.stdout)
