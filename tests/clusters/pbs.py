"""PBS for the tests: the fake, or the real one of this machine where its ``qsub`` is PBS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.clusters.cluster import Cluster, Daemon
from tests.clusters.interpreter import interpreter

PROGRAMS = ("qsub", "qstat", "qdel", "qhold", "qrls", "qselect")
FAKE = Path(__file__).resolve().parent / "fake_pbs"


class FakePbs(Cluster):
    """Programs that answer and behave like PBS."""

    name = "pbs"
    port_names = ()
    programs = (*PROGRAMS, "pbsnodes")

    @property
    def state(self) -> Path:
        """Folder of its jobs, and of the files that change its behavior."""
        return self.root / "state"

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """None."""
        return ()

    def configure(self) -> None:
        """Make the folder of its jobs."""
        self.account.folder(self.state)

    def client(self, program: str) -> str:
        """Return the line that runs a program."""
        return f'{interpreter(self.account)} -S -E {FAKE} {self.state} {program} "$@"'

    def answers(self) -> bool:
        """Whether it takes jobs."""
        return self.account.run([f"{self.bin}/qstat"], env=self.env).returncode == 0


class HostPbs(Cluster):
    """The real PBS of this machine, used as it is."""

    name = "host-pbs"
    port_names = ()
    programs = ()

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """None of ours."""
        return ()

    @property
    def env(self) -> dict[str, str]:
        """Environment of a user of this machine."""
        qsub = shutil.which("qsub")
        assert qsub is not None
        environment = self.account.environment()
        return {**environment, "PATH": f"{Path(qsub).parent}:{environment['PATH']}"}

    def configure(self) -> None:
        """Nothing to do."""

    def client(self, program: str) -> str:
        """Return nothing, as nothing is wrapped."""
        raise NotImplementedError(program)

    def answers(self) -> bool:
        """Whether the server answers."""
        return self.account.run(["qstat", "-B"], env=self.env).returncode == 0


def host_has_pbs() -> bool:
    """Return whether this machine's ``qsub`` is PBS."""
    qsub = shutil.which("qsub")
    if not qsub:
        return False
    done = subprocess.run([qsub, "--version"], capture_output=True, text=True, check=False)
    return "pbs" in (done.stdout + done.stderr).lower()
