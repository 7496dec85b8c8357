"""Slurm 22.05 or so: munged, a database, slurmdbd, slurmctld and one node that pretends to have 16 CPUs and 4 GPUs."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from tests.clusters.cluster import Cluster, Daemon, wait_until

SLURM_CONF = """\
ClusterName=nsgtest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={root}/munge/socket,cred_expire=5
PluginDir={plugins}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmdLogFile={root}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
GresTypes=gpu
MaxArraySize=100001
MaxJobCount=200000
KillWait=5
BatchStartTimeout=1
ResumeTimeout=1
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000,bf_interval=2
SlurmdParameters=config_overrides
MailProg=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounts}
AccountingStoragePass={root}/munge/socket
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=16000 Gres=gpu:4
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=100
PartitionName=short Nodes=ALL MaxTime=10 State=UP DefMemPerCPU=100
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounts}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser={user}
StorageLoc=slurm
PluginDir={plugins}
PidFile={root}/slurmdbd.pid
"""
# Daemons that the next one asks at once, and asks again after ten seconds only.
LISTENS = {"mariadbd": "database", "slurmdbd": "accounts", "slurmctld": "controller"}


class SlurmCluster(Cluster):
    """Slurm with accounts."""

    name = "slurm"
    port_names = ("controller", "node", "accounts", "database")
    programs = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")

    @property
    def _libraries(self) -> Path:
        return (self.packages / "usr/lib/lx-amd64").resolve()

    @property
    def _library_path(self) -> str:
        return f"{self._libraries}:{self._libraries}/slurm-wlm:{self.packages}/lib/{self._libraries.name}"

    @property
    def env(self) -> dict[str, str]:
        """Environment of a user."""
        return {**super().env, "SLURM_CONF": str(self.root / "slurm.conf")}

    def client(self, program: str) -> str:
        """Return the line that runs a program, which leaves no trace in the environment that it hands to jobs."""
        loader = next(Path("/lib64").glob("ld-linux*"))
        path = f"--library-path {self._library_path} {self.packages}/usr/bin/{program}"
        return f'env SLURM_CONF={self.root}/slurm.conf {loader} --argv0 {program} {path} "$@"'

    @property
    def _database(self) -> list[str]:
        share = self.packages / "usr/share/mysql"
        options = {
            "datadir": self.root / "database",
            "lc-messages-dir": share,
            "character-sets-dir": share / "charsets",
            "plugin-dir": self.packages / "usr/lib/mysql/plugin",
            "pid-file": self.root / "database.pid",
            "socket": self.root / "database.socket",
            "innodb-buffer-pool-size": "16M",
            "innodb-log-file-size": "4M",
            "innodb-flush-log-at-trx-commit": 0,
        }
        program = str(self.packages / "usr/sbin/mariadbd")
        return [
            program,
            "--no-defaults",
            "--skip-grant-tables",
            *(f"--{key}={value}" for key, value in options.items()),
        ]

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """In the order in which they are started."""
        sbin, munge = self.packages / "usr/sbin", self.root / "munge"
        env = {**self.env, "LD_LIBRARY_PATH": self._library_path}
        secrets = ["--socket", f"{munge}/socket", "--key-file", f"{munge}/key", "--seed-file", f"{munge}/seed"]
        files = ["--pid-file", f"{munge}/pid", "--log-file", f"{munge}/log"]
        port = ["--port", str(self.ports["database"]), "--bind-address", "127.0.0.1"]
        return (
            Daemon("munged", [f"{sbin}/munged", "--foreground", "--force", *secrets, *files], env),
            Daemon("mariadbd", [*self._database, *port], env),
            Daemon("slurmdbd", [f"{sbin}/slurmdbd", "-D"], env),
            Daemon("slurmctld", [f"{sbin}/slurmctld", "-D"], env),
            Daemon("slurmd", [f"{sbin}/slurmd", "-D", "-d", f"{sbin}/slurmstepd"], env),
        )

    def configure(self) -> None:
        """Write the configuration; make the database."""
        for name in ("munge", "state", "spool", "database"):
            self.account.folder(self.root / name, 0o700)
        (self.root / "munge/key").write_bytes(os.urandom(128))
        self.account.write(self.root / "munge/seed", "")
        for path in (self.root / "munge").iterdir():
            path.chmod(0o600)
            os.chown(path, self.account.uid, self.account.gid)
        host = socket.gethostname().split(".")[0]
        values = {"root": self.root, "host": host, "user": self.account.name, "plugins": self._libraries / "slurm-wlm"}
        self.account.write(self.root / "slurm.conf", SLURM_CONF.format(**values, **self.ports))
        self.account.write(self.root / "slurmdbd.conf", SLURMDBD_CONF.format(**values, **self.ports), 0o600)
        devices = [self.account.write(self.root / f"gpu{index}", "") for index in range(4)]
        gres = "".join(f"Name=gpu File={device}\n" for device in devices)
        self.account.write(self.root / "gres.conf", gres)
        self._make_database()

    def _make_database(self) -> None:
        env = {**self.env, "LD_LIBRARY_PATH": self._library_path}
        process = self.account.popen(
            [*self._database, "--bootstrap"], env=env, cwd=self.root, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _, err = process.communicate("create database slurm;\n", timeout=60)
        if process.returncode != 0:
            raise OSError(f"the database: {err[-500:]}")

    def start(self, name: str) -> None:
        """Start a daemon, and wait for those that the next one cannot do without."""
        super().start(name)
        if name == "munged":
            wait_until(name, (self.root / "munge/socket").exists)
        if name in LISTENS:
            wait_until(name, lambda: _listens(self.ports[LISTENS[name]]))

    def answers(self) -> bool:
        """Whether the node is idle and the accounts know the cluster."""
        nodes = self.account.run([f"{self.bin}/sinfo", "-h", "-p", "debug", "-o", "%T"], env=self.env)
        accounts = self.account.run([f"{self.bin}/sacctmgr", "-nP", "list", "cluster"], env=self.env)
        return nodes.stdout.strip() == "idle" and accounts.stdout.startswith("nsgtest|127.0.0.1")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
