"""What the launcher costs: ``python -m tests.benchmarks.launcher [slurm] [gridengine] [--out FILE]``, no torch.

On the schedulers of the tests, as an ordinary user. Everything is measured in turn, A B A B …, from Enter to the
scheduler's answer, with fresh processes: the launcher, the same script handed to the bare submit command, and, on
Slurm, submitit's own executor with an array of the same size. Jobs are held, so that nothing runs meanwhile. Then, from
the start of a job's script to the first line of its task: as the launcher has it, and with a bare Python.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import RunPaths
from tests.clusters.account import ordinary_account
from tests.clusters.cluster import Cluster, wait_until
from tests.clusters.gridengine import GridEngineCluster
from tests.clusters.interpreter import CHECKOUT, interpreter
from tests.clusters.packages import unpacked
from tests.clusters.sharing import shared
from tests.clusters.slurm import SlurmCluster
from tests.contract.runs import FAKE, SPEC

KINDS: dict[str, type[Cluster]] = {"slurm": SlurmCluster, "gridengine": GridEngineCluster}
SITES = {
    "slurm": "scheduler: slurm\n",
    "gridengine": (
        "scheduler: gridengine\ngroup: gaa50000\ngroup_flag: -g\n"
        "resource_types: {rt_G.small: {gpus: 1, cpus: 1, memory: 1GiB}}\nlimits: {default_walltime: 1h}\n"
    ),
}
HOLD = {"slurm": "--hold", "gridengine": "-h"}
PEER = """
import sys, submitit
executor = submitit.AutoExecutor(folder=sys.argv[1], cluster="slurm")
executor.update_parameters(timeout_min=60, slurm_additional_parameters={"hold": True}, slurm_array_parallelism=1000)
jobs = executor.map_array(print, range(int(sys.argv[2])))
print(jobs[0].job_id)
"""
AGE = """
import os
stat = lambda pid: open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
up = float(open("/proc/uptime").read().split()[0])
print("clock", up - int(stat(os.getppid())[19]) / os.sysconf("SC_CLK_TCK"))
"""
Work = Callable[[], object]


class Desk:
    """A folder of the user, on one scheduler."""

    def __init__(self, kind: str, cluster: Cluster) -> None:
        self.kind, self.cluster, self.root = kind, cluster, cluster.work()
        self.python = str(interpreter(cluster.account))
        for name, more in (("held", f'options: ["{HOLD[kind]}"]\n'), ("free", "")):
            text = f"name: {name}\nstorage: {self.root}\n{SITES[kind]}{more}"
            cluster.account.write(self.root / f"{name}.yaml", text)
        self.runs: list[RunPaths] = []

    def launch(self, elements: int, *, site: str = "held", description: str = "''") -> RunPaths:
        """Submit a run with the launcher."""
        text = SPEC.format(description=description, steps=1, walltime="null")
        self.cluster.account.write(self.root / "tiny.yaml", text)
        seeds = f"sweep={{grid: {{seed: {list(range(elements))}}}}}"
        argv = [self.python, str(CHECKOUT / "launch.py"), "tiny.yaml", "--site", f"./{site}.yaml", "--detach", "--json"]
        out = self.cluster.run(*argv, *([seeds] if elements > 1 else []), cwd=self.root, PYTHONPATH=str(FAKE))
        self.runs.append(RunPaths(Path(json.loads(out)["folder"])))
        return self.runs[-1]

    def bare(self, elements: int) -> str:
        """Submit the newest run's script with the bare command."""
        script = str(self.runs[-1].script)
        if self.kind == "slurm":
            array = [f"--array=0-{elements - 1}"] if elements > 1 else []
            return self.cluster.run("sbatch", "--parsable", "--output=/dev/null", *array, script, cwd=self.root)
        array = ["-t", f"1-{elements}"] if elements > 1 else []
        argv = ["qsub", "-terse", "-g", "gaa50000", "-o", "/dev/null", *array, script]
        return self.cluster.run(*argv, cwd=self.root)

    def peer(self, elements: int) -> str:
        """Submit an array with submitit's own executor."""
        return self.cluster.run(self.python, "-c", PEER, str(self.root / "peer"), str(elements), cwd=self.root)

    def clear(self) -> None:
        """Take all jobs away."""
        name = self.cluster.account.name
        argv = ["scancel", f"--user={name}"] if self.kind == "slurm" else ["qdel", "-f", "-u", name]
        self.cluster.account.run([f"{self.cluster.bin}/{argv[0]}", *argv[1:]], env=self.cluster.env)

    def clock(self, path: Path) -> float:
        """Return what a job has printed of its age."""

        def said() -> list[float]:
            lines = path.read_text().splitlines() if path.exists() else []
            return [float(line.split()[1]) for line in lines if line.startswith("clock")]

        wait_until(f"the clock in {path}", lambda: bool(said()), timeout_s=120)
        return said()[0]

    def task_starts(self) -> float:
        """Return the seconds from the start of a job's script to the first line of its task."""
        return self.clock(self.launch(1, site="free", description="clock").task(0).log_out)

    def python_starts(self) -> float:
        """Return the seconds from the start of a job's script to the first line of a bare Python."""
        out = self.root / f"bare-{time.monotonic_ns()}.out"
        program = self.cluster.account.write(self.root / "age.py", AGE)
        # No last command of its own process: bash would put Python in its own place.
        text = f"#!/bin/bash\n{self.python} {program} > {out} 2>&1\ntrue\n"
        script = str(self.cluster.account.write(self.root / "bare.sh", text, 0o755))
        argv = {
            "slurm": ["sbatch", "--output=/dev/null"],
            "gridengine": ["qsub", "-l", "rt_G.small=1", "-o", "/dev/null"],
        }
        self.cluster.run(
            *argv[self.kind], *(["-S", "/bin/bash", "-j", "y"] if self.kind == "gridengine" else []), script
        )
        return self.clock(out)


def in_turn(works: Mapping[str, Work], repeats: int, between: Work) -> dict[str, dict[str, float]]:
    """Return wall time and CPU time of processes, the median and the least of each."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            work()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            taken[name].append((time.monotonic() - began, cpu_s))
        between()
    return {name: summary(values) for name, values in taken.items()}


def summary(values: list[tuple[float, float]]) -> dict[str, float]:
    """Return medians and minima, in seconds."""
    walls, cpus = zip(*values, strict=True)
    found = {
        "wall_median_s": statistics.median(walls),
        "wall_min_s": min(walls),
        "cpu_median_s": statistics.median(cpus),
    }
    return {name: round(value, 3) for name, value in found.items()}


def measure(kind: str, repeats: int) -> dict[str, Any]:
    """Measure on one scheduler."""
    account = ordinary_account()
    with shared(KINDS[kind](account, unpacked(account))) as cluster:
        desk = Desk(kind, cluster)
        document: dict[str, Any] = {}
        for elements in (1, 1000):
            desk.launch(elements)  # what is loaded from disk for the first time
            desk.clear()
            works: dict[str, Work] = {
                "launcher": partial(desk.launch, elements),
                "bare": partial(desk.bare, elements),
            }
            if kind == "slurm":
                works["submitit"] = partial(desk.peer, elements)
            found = in_turn(works, repeats, desk.clear)
            over = {f"over_bare_{key}": round(found["launcher"][key] - found["bare"][key], 3) for key in found["bare"]}
            document[f"{elements} element(s)"] = {**found, **over}
        starts = {"task": desk.task_starts, "python": desk.python_starts}
        seconds = {name: [work() for _ in range(repeats)] for name, work in starts.items()}
        document["job start to first line, s"] = {
            **{name: {"median": round(statistics.median(each), 3), "min": min(each)} for name, each in seconds.items()},
            "over_python_median": round(statistics.median(seconds["task"]) - statistics.median(seconds["python"]), 3),
            "over_python_min": round(min(seconds["task"]) - min(seconds["python"]), 3),
        }
        desk.clear()
        assert all(len(read_json(run.jobs)["submissions"]) == 1 for run in desk.runs), "one call each"
    return document


def main() -> int:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.launcher", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="SCHEDULER", help=f"some of {', '.join(KINDS)}; all by default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write the document here")
    given = parser.parse_args()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    machine = {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
    document = {"machine": machine, **{kind: measure(kind, given.repeats) for kind in given.kinds or KINDS}}
    text = json.dumps(document, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
