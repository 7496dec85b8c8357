"""Grid Engine 8.1: master and one node with ABCI's resource types, and the wrapper's ``-g``."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from tests.clusters.cluster import Cluster, Daemon, wait_until

BOOTSTRAP = """\
admin_user              {user}
default_domain          none
ignore_fqdn             false
spooling_method         classic
spooling_lib            libspoolc
spooling_params         {common};{root}/spool/qmaster
binary_path             {root}/sge/bin
qmaster_spool_dir       {root}/spool/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
"""
CONFIGURATION = {
    "execd_spool_dir": "{root}/spool/execd",
    "mailer": "/bin/true",
    "min_uid": "0",
    "min_gid": "0",
    "shell_start_mode": "posix_compliant",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00",
    "execd_params": "INHERIT_ENV=false",
    "load_report_time": "00:00:05",
    "max_unheard": "00:00:20",
    "reschedule_unknown": "00:00:10",
}
HOST = "hostname localhost\nload_scaling NONE\ncomplex_values rt_F=1,rt_G.large=2,rt_G.small=8\nuser_lists NONE\n" + (
    "xuser_lists NONE\nprojects NONE\nxprojects NONE\nusage_scaling NONE\nreport_variables NONE\n"
)
QUEUE = {
    "qname": "gpu",
    "hostlist": "localhost",
    "load_thresholds": "NONE",
    "pe_list": "smp",
    "slots": "64",
    "shell": "/bin/sh",
    "shell_start_mode": "posix_compliant",
    "notify": "00:00:05",
}
COMPLEXES = "".join(
    f"{name} {name.replace('.', '_')} INT <= YES YES 0 0\n" for name in ("rt_F", "rt_G.large", "rt_G.small")
)
SCHEDULE = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
PARALLEL = """\
pe_name smp
slots 64
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
PROJECT = "name {name}\noticket 0\nfshare 0\nacl NONE\nxacl NONE\n"
GROUP = "gaa50000"


class GridEngineCluster(Cluster):
    """Grid Engine with ABCI 2.0's resource types. The group ``gaa50000`` exists."""

    name = "gridengine"
    port_names = ("master", "node")
    programs = ("qacct", "qalter", "qconf", "qdel", "qhold", "qhost", "qmod", "qrls", "qstat", "qsub")

    @property
    def _engine(self) -> Path:
        return self.packages / "usr/lib/gridengine"

    @property
    def _common(self) -> Path:
        return self.root / "sge/default/common"

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "SGE_ROOT": str(self.root / "sge"),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(self.ports["master"]),
            "SGE_EXECD_PORT": str(self.ports["node"]),
        }

    @property
    def env(self) -> dict[str, str]:
        """Environment of a user."""
        return {**super().env, **self._variables}

    def client(self, program: str) -> str:
        """Return the line that runs a program."""
        variables = " ".join(f"{name}={value}" for name, value in self._variables.items())
        return f'env {variables} {self._engine}/{program} "$@"'

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """In the order in which they are started."""
        env = {**self.env, "SGE_ND": "true"}
        return (
            Daemon("sge_qmaster", [f"{self._engine}/sge_qmaster"], env),
            Daemon("sge_execd", [f"{self._engine}/sge_execd"], env),
        )

    def configure(self) -> None:
        """Make the cell and its spool."""
        for name in ("spool/qmaster/job_scripts", "spool/execd", "sge/default/common"):
            for folder in reversed([self.root / name, *list((self.root / name).parents)[: name.count("/")]]):
                self.account.folder(folder)
        for name in ("bin", "lib", "utilbin"):
            self.account.folder(self.root / "sge" / name)
            (self.root / "sge" / name / "lx-amd64").symlink_to(self._engine)
        share = self.packages / "usr/share/gridengine"
        (self.root / "sge/util").symlink_to(share / "util")
        values = {"user": self.account.name, "root": self.root, "common": self._common}
        self.account.write(self._common / "bootstrap", BOOTSTRAP.format(**values))
        # Where the machine's name stands for a loopback address, the daemons would disagree about who they are.
        self.account.write(self._common / "host_aliases", f"localhost {socket.gethostname()}\n")
        self.account.write(self._common / "act_qmaster", "localhost\n")
        defaults = (share / "default-configuration").read_text()
        settings = {name: value.format(**values) for name, value in CONFIGURATION.items()}
        self._file("configuration", _changed(defaults, settings))
        env = {**self.env, "LD_LIBRARY_PATH": f"{self._engine}:{self.packages}/usr/lib/lx-amd64"}
        resources = share / "util/resources"
        for argv in (
            ["spoolinit", "classic", "libspoolc", f"{self._common};{self.root}/spool/qmaster", "init"],
            ["spooldefaults.bin", "configuration", str(self.root / "configuration")],
            ["spooldefaults.bin", "complexes", str(resources / "centry")],
            ["spooldefaults.bin", "usersets", str(resources / "usersets")],
            ["spooldefaults.bin", "managers", self.account.name],
        ):
            done = self.account.run([f"{self._engine}/{argv[0]}", *argv[1:]], env=env)
            if done.returncode != 0:
                raise OSError(f"{argv}: {done.stdout} {done.stderr}")

    def _file(self, name: str, text: str) -> str:
        return str(self.account.write(self.root / name, text))

    def start(self, name: str) -> None:
        """Start a daemon; the node is told that it is one before its daemon starts."""
        if name == "sge_execd" and not (self.root / "host").exists():
            self._introduce_host()
        super().start(name)
        if name == "sge_qmaster":
            wait_until(name, lambda: self.account.run([f"{self.bin}/qconf", "-sh"], env=self.env).returncode == 0)

    def _introduce_host(self) -> None:
        run = self.run
        run("qconf", "-Mc", self._file("complexes", run("qconf", "-sc") + COMPLEXES))
        run("qconf", "-as", "localhost")
        run("qconf", "-Ae", self._file("host", HOST))

    def connect(self) -> None:
        """Make the queue, the project and the parallel environment; let it schedule every second."""
        run = self.run
        run("qconf", "-Msconf", self._file("schedule", _changed(run("qconf", "-ssconf"), SCHEDULE)))
        run("qconf", "-Ap", self._file("parallel", PARALLEL))
        run("qconf", "-Aq", self._file("queue", _changed(run("qconf", "-sq"), QUEUE)))
        run("qconf", "-Aprj", self._file("project", PROJECT.format(name=GROUP)))
        # What ABCI's own qsub does with -g.
        real = self.client("qsub").removesuffix(' "$@"')
        self.account.write(self.bin / "qsub", QSUB_WRAPPER.format(real=real), 0o755)

    def answers(self) -> bool:
        """Whether the node's queue takes jobs."""
        done = self.account.run([f"{self.bin}/qstat", "-f"], env=self.env)
        return bool(re.search(r"^gpu@localhost\s+\S+\s+\S+\s+[\d.]+\s+\S+\s*$", done.stdout, flags=re.MULTILINE))


QSUB_WRAPPER = """\
#!/bin/bash
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -g) arguments+=(-P "$2"); shift 2 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
exec {real} "${{arguments[@]}}"
"""


def _changed(text: str, values: dict[str, str]) -> str:
    """Return a text of ``name value`` lines with some values changed."""
    for name, value in values.items():
        text = re.sub(rf"^{name}\s.*$", f"{name} {value}", text, flags=re.MULTILINE)
    return text
