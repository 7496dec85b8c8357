"""Apptainer and Buildah as the ordinary user runs them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.clusters.account import Account

MINUTES_S = 600
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Engines:
    """The programs and the user whom they belong to.

    Attributes:
        account: The ordinary user.
        root: Folder of the programs, see `tests.containers.packages`.
    """

    account: Account
    root: Path

    @property
    def env(self) -> dict[str, str]:
        """Environment in which ``apptainer``, ``singularity``, ``buildah``, ``newuidmap``, … are on ``PATH``."""
        path = f"{self.root}/usr/sbin:{self.root}/usr/bin:{SYSTEM_PATH}"
        return self.account.environment(
            PATH=path,
            CONTAINERS_CONF=str(self.root / "containers.conf"),
            CONTAINERS_REGISTRIES_CONF=str(self.root / "etc/containers/registries.conf"),
            APPTAINER_CACHEDIR=str(self.root / "cache"),
        )

    def run(
        self, *argv: str | Path, cwd: Path | None = None, timeout_s: float = MINUTES_S, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the user and return what it said."""
        return self.account.run([str(word) for word in argv], env={**self.env, **env}, cwd=cwd, timeout_s=timeout_s)

    def check(self, *argv: str | Path, cwd: Path | None = None, timeout_s: float = MINUTES_S, **env: str) -> str:
        """Run a program as the user and return what it printed.

        Raises:
            RuntimeError: It failed.
        """
        done = self.run(*argv, cwd=cwd, timeout_s=timeout_s, **env)
        if done.returncode != 0:
            raise RuntimeError(f"{argv}: exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def build(self, target: Path, source: Path, *options: str, cwd: Path | None = None) -> str:
        """Build an image with Apptainer from a definition, a folder or an image."""
        return self.check("apptainer", "build", "--fakeroot", "--force", *options, target, source, cwd=cwd)

    def buildah(self, *argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Buildah on the user's own storage, with one layer an image."""
        return self.run("buildah", *self.storage, *argv, cwd=cwd)

    @property
    def storage(self) -> tuple[str, ...]:
        """Options that name Buildah's storage."""
        return ("--storage-driver=vfs", f"--root={self.root}/store", f"--runroot={self.root}/run")

    def work(self) -> Path:
        """Return a new folder of the user."""
        parent = self.account.folder(self.account.base / "work")
        return self.account.folder(Path(tempfile.mkdtemp(prefix="containers-", dir=parent)))

    def has_many_users(self) -> bool:
        """Whether a build may use several user numbers: a range in ``/etc/subuid``, and ``newuidmap``."""
        return self.buildah("unshare", "cat", "/proc/self/uid_map").stdout.count("\n") > 1

    def configure(self) -> None:
        """Write what Buildah reads: it asks no registry and trusts what is here."""
        helpers = json.dumps([str(self.root / "usr/lib/podman")])
        self.account.write(self.root / "containers.conf", f"[engine]\nhelper_binaries_dir = {helpers}\n")
        folder = self.account.folder(self.account.base / "home/.config/containers")
        self.account.write(folder / "policy.json", json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
