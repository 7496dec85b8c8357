"""A machine that can be reached by ssh: a real sshd on a loopback port, as the ordinary user, with rsync behind it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.clusters.account import Account, Unavailable
from tests.clusters.cluster import Cluster, Daemon
from tests.clusters.packages import unpacked_ssh

SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host_key
PidFile none
AuthorizedKeysFile {root}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH={bin}:/usr/local/bin:/usr/bin:/bin
"""
# rsync of both sides; a limit makes a transfer slow enough to be cut off.
RSYNC = """\
#!/bin/sh
export LD_LIBRARY_PATH={libraries}
exec {packages}/usr/bin/rsync ${{NSG_TEST_BWLIMIT:+--bwlimit=$NSG_TEST_BWLIMIT}} "$@"
"""


class SshMachine(Cluster):
    """An sshd; the user's files are the same on both sides of it."""

    name = "ssh"
    port_names = ("ssh",)
    programs = ()

    def __init__(self, account: Account, root: Path) -> None:
        super().__init__(account, unpacked_ssh(account), root)

    @property
    def _libraries(self) -> Path:
        return next((self.packages / "usr/lib").glob("*-linux-gnu"))

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """The server."""
        env = {**self.env, "LD_LIBRARY_PATH": str(self._libraries)}
        argv = [f"{self.packages}/usr/sbin/sshd", "-D", "-e", "-f", f"{self.root}/sshd_config"]
        return (Daemon("sshd", argv, env),)

    @property
    def options(self) -> list[str]:
        """Lines of options that the client needs."""
        known = ["-o UserKnownHostsFile=/dev/null", "-o StrictHostKeyChecking=no", "-o LogLevel=ERROR"]
        return [f"-p {self.ports['ssh']}", f"-i {self.root}/user_key", "-o IdentitiesOnly=yes", *known]

    @property
    def host(self) -> str:
        """What the client calls it."""
        return f"{self.account.name}@127.0.0.1"

    def configure(self) -> None:
        """Make the keys."""
        for name in ("host_key", "user_key"):
            done = self.account.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.root}/{name}"], env=self.env
            )
            if done.returncode != 0:
                raise Unavailable(f"a key for ssh: {done.stderr.strip()}")
        values = {"root": self.root, "bin": self.bin, "port": self.ports["ssh"]}
        self.account.write(self.root / "sshd_config", SSHD_CONFIG.format(**values))
        rsync = RSYNC.format(libraries=self._libraries, packages=self.packages)
        self.account.write(self.bin / "rsync", rsync, 0o755)

    def answers(self) -> bool:
        """Whether a command can be run there."""
        options = [word for line in self.options for word in line.split()]
        argv = ["ssh", "-o", "BatchMode=yes", *options, self.host, "rsync --version"]
        return self.account.run(argv, env=self.env).returncode == 0

    def client(self, program: str) -> str:
        """Return nothing: what is run is that of this machine."""
        raise NotImplementedError(program)

    def sessions(self) -> list[int]:
        """Return the processes that serve connections."""
        server = int((self.root / "pids/sshd").read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text()
        return [int(pid) for pid in children.split()]

    def cut(self) -> None:
        """Break every connection."""
        for pid in self.sessions():
            children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
            for each in (*map(int, children.split()), pid):
                os.kill(each, signal.SIGKILL)
