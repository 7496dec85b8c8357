"""What goes wrong on a cluster, done to runs of the launcher on real schedulers, and what became of the runs.

``python -m tests.clusters.faults [slurm] [gridengine] [pbs] [--out FOLDER]`` does everything on daemons of its own,
prints the table and, with ``--out``, writes it as ``faults.md`` and ``faults.json``. A run is *lost* if it does not
come to its end although it could, without help or with one ``resubmit`` where its state says that it has failed. A
submission is *double* if the scheduler has more than one job of its token.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.runs.find import all_runs
from tests.clusters.account import Account, Unavailable, ordinary_account
from tests.clusters.cluster import Cluster, wait_until
from tests.clusters.gridengine import GridEngineCluster
from tests.clusters.packages import unpacked
from tests.clusters.pbs import FakePbs
from tests.clusters.slurm import SlurmCluster
from tests.contract.cluster import DIES, SITES
from tests.contract.person import Failed, Row, UserOfCluster, server_of

KINDS: dict[str, type[Cluster]] = {"slurm": SlurmCluster, "gridengine": GridEngineCluster, "pbs": FakePbs}
SITE_NAMES = {"slurm": "slurm", "gridengine": "gridengine", "pbs": "fake-pbs"}
TITLES = {"slurm": "Slurm 22.05", "gridengine": "Grid Engine 8.1.9", "pbs": "PBS (fake)"}
CONTROLLER = {"slurm": "slurmctld", "gridengine": "sge_qmaster"}
NODE = {"slurm": "slurmd", "gridengine": "sge_execd"}
HOLD = {"slurm": "--hold", "gridengine": "-h", "pbs": "-h"}
# Jobs that wait for ever, each in a way of its scheduler: options of the site, overrides.
IMPOSSIBLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "slurm": ("queue: short\n", ("resources.walltime=10h",)),
    "gridengine": ('options: ["-j n", "-e /absent/x"]\n', ()),
    "pbs": ("", ("resources.cpus=9999",)),
}
# Slurm lets a job that lost its node wait two minutes.
PATIENCE_S = 240.0
ENDED_BADLY = {"failed", "lost", "timeout", "node_fail", "oom", "cancelled", "preempted"}


@dataclass(frozen=True)
class Outcome:
    """What became of the runs that one thing was done to."""

    fault: str
    outcome: str
    lost: int = 0
    double: int = 0


@dataclass
class Story:
    """Everything that is done on one scheduler, as far as possible at the same time."""

    kind: str
    person: UserOfCluster
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        """The scheduler."""
        return self.person.cluster

    def tell(self) -> list[Outcome]:
        """Do everything and return what became of it."""
        uprooted = self.uprooted() if self.kind in NODE else None
        stories = [self.payload_killed, self.wrapper_killed, self.launcher_died, self.answer_lost, self.held]
        for finish in [story() for story in [*stories, self.impossible]]:
            finish()
        self.controller_restarted()
        if self.kind in NODE:
            self.node_daemon_killed()
        if uprooted:
            uprooted()
        return self.outcomes

    def tell_of(self, fault: str, run: RunPaths, outcome: str, *, state: str) -> None:
        """Note what became of a run."""
        lost = int(state != "succeeded")
        self.outcomes.append(Outcome(fault, outcome, lost=lost, double=self.doubles(run)))

    def doubles(self, run: RunPaths) -> int:
        """Return how many jobs of a run the scheduler has beyond one for each submission on record."""
        tokens = [made["token"] for made in read_json(run.jobs)["submissions"]]
        return sum(max(0, len(self.jobs_called(token)) - 1) for token in tokens)

    def jobs_called(self, name: str) -> list[str]:
        """Return the jobs that bear a name, ended ones too."""
        run = self.cluster.run
        if self.kind == "slurm":
            lines = run("sacct", "-nPX", "-S", "now-1hours", f"--name={name}", "-o", "JobIDRaw").splitlines()
            return sorted({line.strip() for line in lines if line.strip()})
        if self.kind == "pbs":
            return run("qselect", "-x", "-N", name).split()
        # Grid Engine: what has ended is in the accounts, the rest in the queue.
        with suppress(RuntimeError):
            ended = run("qacct", "-j", name)
            numbers = {line.split()[1] for line in ended.splitlines() if line.startswith("jobnumber")}
            return sorted(numbers | self._queued(name))
        return sorted(self._queued(name))

    def _queued(self, name: str) -> set[str]:
        found = set()
        for number in {line.split()[0] for line in self.cluster.run("qstat", "-u", "*").splitlines()[2:]}:
            with suppress(RuntimeError):
                lines = self.cluster.run("qstat", "-j", number).splitlines()
                found |= {number for line in lines if line.split() == ["job_name:", name]}
        return found

    def site(self, name: str, more: str) -> str:
        """Write a site that differs."""
        text = f"name: {name}\nstorage: /nowhere\n{SITES[SITE_NAMES[self.kind]]}{more}"
        return str(self.person.write(self.person.root / f"{name}.yaml", text))

    def wait(self, run: RunPaths, *wanted: str) -> Row:
        """Wait for an end, or for a state."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            row = self.person.row(run)
            if (row["state"] in wanted) if wanted else row["is_final"]:
                return row
            if time.monotonic() > deadline:
                return row
            time.sleep(0.5)

    def ended(self, run: RunPaths) -> tuple[str, str]:
        """Wait for the end, resubmit what has failed, and return what happened, and the last state."""
        row = self.wait(run)
        task = row["tasks"][0]
        said = row["state"] + (f" ({task['signal']})" if task["signal"] else "")
        if row["state"] in ENDED_BADLY:
            self.person.type("resubmit", str(run.root), "--detach")
            row = self.wait(run)
            said += f", resubmitted: {row['state']}"
        task = row["tasks"][0]
        log = run.task(0).log_out
        starts = [line for line in (log.read_text() if log.exists() else "").splitlines() if line.startswith("from ")]
        return f"{said} in attempt {task['attempt']}, {(starts or ['never begun'])[-1]}", row["state"]

    def payload_killed(self) -> Callable[[], None]:
        """Kill the program that computes, as the kernel does for lack of memory."""
        run = self.person.submit("name=payload", steps=200)
        self.person.wait_for_step(run, 5)
        os.kill(self.person.stage_process(run), signal.SIGKILL)

        def finish() -> None:
            outcome, state = self.ended(run)
            self.tell_of("payload killed (SIGKILL, as for lack of memory)", run, outcome, state=state)

        return finish

    def wrapper_killed(self) -> Callable[[], None]:
        """Kill the host side of a job, which writes the status."""
        run = self.person.submit("name=wrapper", steps=200)
        self.person.wait_for_step(run, 5)
        os.kill(read_json(run.task(0).status)["pid"], signal.SIGKILL)

        def finish() -> None:
            outcome, state = self.ended(run)
            self.tell_of("wrapper killed (SIGKILL)", run, outcome, state=state)

        return finish

    def launcher_died(self) -> Callable[[], None]:
        """Let the launcher die right after the submit command, and type the same again."""
        argv = ["submit", str(self.person.spec(steps=3)), "name=died", "--site", self.person.site, "--detach", "--json"]
        before = set(all_runs(StoragePaths(self.person.root)))
        launcher = self.person.start(DIES, *argv)
        launcher.communicate(timeout=120)
        again = RunPaths(Path(json.loads(self.person.type(*argv))["folder"]))
        (run,) = set(all_runs(StoragePaths(self.person.root))) - before

        def finish() -> None:
            assert run == again, "the same run was taken up"
            outcome, state = self.ended(run)
            self.tell_of("launcher killed between submission and record; same command again", run, outcome, state=state)

        return finish

    def answer_lost(self) -> Callable[[], None]:
        """Let the submit command fail although the job is queued."""
        self.person.replace("submit", before="exec > /dev/null", after="echo 'Socket timed out' >&2; exit 1")
        run = self.person.submit("name=answer", steps=3)
        (self.person.root / "bin" / ("sbatch" if self.kind == "slurm" else "qsub")).unlink()

        def finish() -> None:
            outcome, state = self.ended(run)
            self.tell_of("submit command fails though the job is queued", run, outcome, state=state)

        return finish

    def held(self) -> Callable[[], None]:
        """Hold a job, look, and release it."""
        before, self.person.site = self.person.site, self.site("held", f'options: ["{HOLD[self.kind]}"]\n')
        run = self.person.submit("name=held", steps=3)
        self.person.site = before

        def finish() -> None:
            seen = self.wait(run, "held")["state"]
            (job,) = (made["job"]["number"] for made in read_json(run.jobs)["submissions"])
            self.cluster.run(*(["scontrol", "release", job] if self.kind == "slurm" else ["qrls", job]))
            outcome, state = self.ended(run)
            self.tell_of("job held, later released", run, f"{seen}; {outcome}", state=state)

        return finish

    def impossible(self) -> Callable[[], None]:
        """Submit what can never start; it is blocked, with a reason, and can be cancelled."""
        more, overrides = IMPOSSIBLE[self.kind]
        before, self.person.site = self.person.site, self.site("impossible", more)
        run = self.person.submit("name=impossible", *overrides, steps=3)
        self.person.site = before

        def finish() -> None:
            row = self.wait(run, "blocked")
            reason = " ".join(row["tasks"][0]["reason"].split())[:60]
            with suppress(Failed):
                self.person.type("cancel", str(run.root))
            after = self.wait(run, "cancelled")["state"]
            told = {"slurm": "over-long walltime", "gridengine": "Eqw (log cannot be written)", "pbs": "too many cores"}
            outcome = f"{row['state']} ({reason}); {after} by cancel"
            is_right = row["state"] == "blocked" and after in {"cancelled", "blocked"}
            self.tell_of(
                f"job that can never start ({told[self.kind]})", run, outcome, state="succeeded" if is_right else ""
            )

        return finish

    def controller_restarted(self) -> None:
        """Restart the scheduler while a job runs and another waits to be asked about."""
        run = self.person.submit("name=steady", steps=200)
        self.person.wait_for_step(run, 5)
        with self.controller_down():
            time.sleep(2)
            seen = self.person.row(run)["state"]
            refused = self._submit_to_nobody()
        self._submit_again()
        outcome, state = self.ended(run)
        name = f"{CONTROLLER[self.kind]} killed (SIGKILL) and restarted" if self.kind in CONTROLLER else "server down"
        told = f"while it was down: {seen}, a submission {refused}; {outcome}"
        self.tell_of(f"{name} in mid-run", run, told, state=state)

    def _submit_again(self) -> None:
        """Submit once more what nobody took; of all that was tried there must be one job."""
        run = self.person.submit("name=nobody", steps=3)
        outcome, state = self.ended(run)
        tried = [other for other in all_runs(StoragePaths(self.person.root)) if other.root.parent.name == "nobody"]
        tokens = {made["token"] for other in tried for made in read_json(other.jobs)["submissions"]}
        double = sum(len(self.jobs_called(token)) for token in tokens) - 1
        fault = "submission while the scheduler does not answer; same command again"
        self.outcomes.append(Outcome(fault, outcome, lost=int(state != "succeeded"), double=max(0, double)))

    def _submit_to_nobody(self) -> str:
        runs = len(all_runs(StoragePaths(self.person.root)))
        try:
            self.person.submit("name=nobody", steps=3)
        except Failed:
            left = len(all_runs(StoragePaths(self.person.root))) - runs
            return "was refused" if not left else "is in doubt"
        return "was taken"

    @contextmanager
    def controller_down(self) -> Iterator[None]:
        """Let the scheduler not answer."""
        if self.kind in CONTROLLER:
            self.cluster.stop(CONTROLLER[self.kind], signal.SIGKILL)
            yield
            self.cluster.start(CONTROLLER[self.kind])
        else:
            assert isinstance(self.cluster, FakePbs)
            flag = self.cluster.account.write(self.cluster.state / "down", "")
            yield
            flag.unlink()
        wait_until("the scheduler to answer", self._answers, timeout_s=180)

    def _answers(self) -> bool:
        if self.kind == "pbs":
            return True
        question = "squeue" if self.kind == "slurm" else "qstat"
        done = self.cluster.account.run([f"{self.cluster.bin}/{question}"], env=self.cluster.env)
        return done.returncode == 0 and _takes_jobs(self.cluster)

    def node_daemon_killed(self) -> None:
        """Kill the daemon of the node, and start it again, while a job runs."""
        run = self.person.submit("name=node", steps=200)
        self.person.wait_for_step(run, 5)
        self.cluster.stop(NODE[self.kind], signal.SIGKILL)
        time.sleep(2)
        seen = self.person.row(run)["state"]
        self.cluster.start(NODE[self.kind])
        outcome, state = self.ended(run)
        self.tell_of(
            "node daemon killed (SIGKILL) and restarted", run, f"while it was down: {seen}; {outcome}", state=state
        )

    def uprooted(self) -> Callable[[], None]:
        """Lose a node: its daemon and all processes of a job are killed; it comes back."""
        run = self.person.submit("name=uprooted", steps=500)
        # Of a job that has only just started Slurm does not expect that the node knows it.
        self.person.wait_for_step(run, 320)
        watcher = read_json(run.task(0).status)["pid"]
        daemon = int((self.cluster.root / "pids" / NODE[self.kind]).read_text().split()[0])
        doomed = [*_ancestors(watcher, below=daemon), *_descendants(watcher)]
        self.cluster.stop(NODE[self.kind], signal.SIGKILL)
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cluster.start(NODE[self.kind])
        wait_until("the node", lambda: _takes_jobs(self.cluster), timeout_s=120)

        def finish() -> None:
            outcome, state = self.ended(run)
            self.tell_of("node lost with all processes of the job, and back", run, outcome, state=state)

        return finish


def _takes_jobs(cluster: Cluster) -> bool:
    if cluster.name == "slurm":
        states = cluster.run("sinfo", "-h", "-p", "debug", "-o", "%T").split()
        return bool(states) and states[0] in {"idle", "mixed", "allocated"}
    return cluster.answers()


def _ancestors(pid: int, *, below: int) -> list[int]:
    """Return a process and those of the user that started it, up to a daemon."""
    found = []
    owner = Path(f"/proc/{pid}").stat().st_uid
    while pid not in {0, 1, below} and Path(f"/proc/{pid}").stat().st_uid == owner:
        found.append(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def _descendants(pid: int) -> list[int]:
    children = [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


def tell(account: Account, kind: str) -> list[Outcome]:
    """Do everything on daemons of one scheduler that are started for it.

    Raises:
        Unavailable: The scheduler cannot be had here.
    """
    packages = Path() if kind == "pbs" else unpacked(account)
    cluster = KINDS[kind](account, packages, account.base / f"{kind}-faults")
    cluster.up()
    try:
        with server_of(cluster) as server:
            root = cluster.work()
            site = account.write(root / "site.yaml", f"name: cluster\nstorage: /nowhere\n{SITES[SITE_NAMES[kind]]}")
            person = UserOfCluster(root=root, site=str(site), cluster=cluster, server=server)
            try:
                return Story(kind, person).tell()
            finally:
                person.end_everything()
    finally:
        cluster.down()


def markdown(told: dict[str, list[Outcome]]) -> str:
    """Return the table."""
    lines = ["| scheduler | fault | what became of the run | lost | double |", "|---|---|---|---|---|"]
    every = [(kind, each) for kind, outcomes in told.items() for each in outcomes]
    lines += [
        f"| {TITLES[kind]} | {each.fault} | {each.outcome} | {each.lost} | {each.double} |" for kind, each in every
    ]
    lost, double = sum(each.lost for _, each in every), sum(each.double for _, each in every)
    return "\n".join([*lines, f"| all | {len(every)} faults | | {lost} | {double} |", ""])


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 where no run was lost and none submitted twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.clusters.faults", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="SCHEDULER", help=f"some of {', '.join(KINDS)}; all by default")
    parser.add_argument("--out", type=Path, help="folder for faults.md and faults.json")
    given = parser.parse_args(arguments)
    kinds = given.kinds or list(KINDS)
    account = ordinary_account()
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        told = dict(zip(kinds, pool.map(lambda kind: tell(account, kind), kinds), strict=True))
    print(markdown(told), f"{time.monotonic() - began:.0f} s", file=sys.stdout)
    if given.out:
        document = {kind: [asdict(each) for each in outcomes] for kind, outcomes in told.items()}
        (given.out / "faults.json").write_text(json.dumps(document, indent=1) + "\n")
        (given.out / "faults.md").write_text(markdown(told))
    return int(any(each.lost or each.double for outcomes in told.values() for each in outcomes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unavailable as error:
        sys.exit(f"missing: {error}")
