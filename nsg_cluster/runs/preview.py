"""What would be submitted to a site's scheduler, checked and written out, with nothing done."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nsg_cluster.core.errors import ConfigError, MachineError, RunError
from nsg_cluster.core.units import format_duration
from nsg_cluster.executor.placement import Cost, Placement
from nsg_cluster.runs.after import dependency_on
from nsg_cluster.runs.cluster import executor_of, new_submission
from nsg_cluster.runs.provisions import missing_data
from nsg_cluster.runs.submit import Plan
from nsg_cluster.scheduler.types import Dependency

__all__ = ["Check", "Preview", "checks_of_data", "doubts", "preview"]

# Stands for the run's id, which is chosen when it is submitted.
RUN_ID = "abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one check."""

    name: str
    ok: bool
    found: str

    def __str__(self) -> str:
        """Return a line for people."""
        return f"{self.name:<9} {'' if self.ok else 'NOT OK: '}{self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be submitted."""

    script: str
    command: tuple[str, ...]
    """The submit command, as it would be run."""
    checks: tuple[Check, ...]
    cost: Cost | None

    @property
    def lines(self) -> Iterator[str]:
        """The checks, the cost and the command, for people."""
        yield from map(str, self.checks)
        yield f"{'cost':<9} {self.cost or 'not known: the site has no rates'}"
        if self.cost and self.cost.source:
            yield f"{'':<9} {self.cost.source}"
        yield f"{'command':<9} {shlex.join(self.command)}"

    def to_json(self) -> dict[str, Any]:
        """Return what ``--dry-run --json`` says of it."""
        return {
            "script": self.script,
            "command": list(self.command),
            "checks": [asdict(check) for check in self.checks],
            "cost": asdict(self.cost) if self.cost else None,
        }


def preview(plan: Plan, placement: Placement) -> Preview:
    """Return what would be submitted for a plan.

    Raises:
        ConfigError: The scheduler cannot express something that is asked for.
    """
    run = plan.storage.run(plan.experiment.name, f"TIME-{RUN_ID}")
    count = len(plan.elements)
    made = new_submission(RUN_ID, plan.experiment.name, range(count))
    after, waits = _after(plan)
    executor = executor_of(run, plan.site, placement, made.token, max_parallel=plan.request.max_parallel, after=after)
    checks = [
        Check(name="resources", ok=True, found=_asked(plan, placement)),
        Check(name="limits", ok=True, found=_limits(plan, placement)),
        *(Check(name="note", ok=True, found=note) for note in placement.notes),
        *([waits] if waits else []),
        *_fits(plan, placement),
        *checks_of_data(plan),
    ]
    return Preview(
        script=executor.script_text(made.token),
        command=tuple(executor.dialect.submit_argv(executor.submission(count), str(executor.script(made.token)))),
        checks=tuple(checks),
        cost=placement.cost,
    )


def checks_of_data(plan: Plan) -> Iterator[Check]:
    """Yield what is wrong with the data as this machine sees them; a node may see more."""
    if not plan.after and (lack := missing_data(plan.elements)):
        yield Check(name="data", ok=False, found=lack)


def doubts(plan: Plan, placement: Placement) -> Iterator[str]:
    """Yield what a scheduler will take and the tasks are likely to fail at."""
    yield from (check.found for check in (*_fits(plan, placement), *checks_of_data(plan)) if not check.ok)


def _fits(plan: Plan, placement: Placement) -> Iterator[Check]:
    """Yield whether the program and what it computes with fit what is asked for."""
    if plan.image is None:
        yield Check(name="program", ok=True, found=f"{sys.executable} on the node, no container")
    device, gpus = plan.experiment.train.device, placement.gpus
    if device == "cuda" and gpus == 0:
        yield Check(name="device", ok=False, found="train.device is cuda, but no GPU is asked for: set resources.gpus")
    elif device == "cpu" and gpus:
        found = f"train.device is cpu, but {gpus} GPUs would be paid for: set resources.gpus=0"
        yield Check(name="device", ok=False, found=found)
    if gpus:
        known = placement.architecture or f"not known: site {plan.site.name} does not say"
        yield Check(name="gpu", ok=True, found=f"compute capability {known}")


def _after(plan: Plan) -> tuple[Dependency | None, Check | None]:
    """Return the jobs to wait for, and what is known of them now."""
    if not plan.after:
        return None, None
    try:
        found = dependency_on(plan.after, plan.site.scheduler)
    except (ConfigError, RunError, MachineError) as error:
        return None, Check(name="after", ok=False, found=str(error))
    text = f"jobs {', '.join(str(job) for job in found.jobs)}" if found else "all have succeeded already"
    return found, Check(name="after", ok=True, found=text)


def _asked(plan: Plan, placement: Placement) -> str:
    resources = placement.resources
    if resources.resource_type is not None:
        kind = plan.site.resource_types[resources.resource_type]
        gpus = f"{kind.gpus} GPU{'' if kind.gpus == 1 else 's'}"
        what = f"{resources.nodes} x {resources.resource_type} ({gpus}, {kind.cpus} cores, {kind.memory})"
    else:
        amounts = {"GPUs": resources.gpus, "cores": resources.cpus, "bytes of memory": resources.memory_bytes}
        what = ", ".join(f"{amount} {name}" for name, amount in amounts.items() if amount is not None)
        what = what or "what the scheduler gives by default"
    limit = f" for {format_duration(resources.walltime_s)}" if resources.walltime_s else ", no time limit given"
    return f"{what}{limit}; group {plan.site.group or '(none)'}"


def _limits(plan: Plan, placement: Placement) -> str:
    """Return the limits that were compared; what is beyond one has been refused already."""
    limits, kind = plan.site.limits, placement.resources.resource_type
    piece = plan.site.resource_types[kind] if kind else None
    longest = (piece.walltime if piece else None) or limits.walltime
    compared = []
    if longest:
        compared.append(f"time limit at most {longest}")
    if limits.array_elements and len(plan.elements) > 1:
        compared.append(f"{len(plan.elements)} of at most {limits.array_elements} elements")
    if node_hours := (piece.node_hours if piece else None) or limits.node_hours:
        compared.append(f"at most {node_hours:g} node-hours")
    if limits.unfinished_jobs:
        compared.append(f"{limits.unfinished_jobs} unfinished jobs of a user, {limits.running_jobs or 'any'} running")
    return f"within {'; '.join(compared)}" if compared else "none are known for this site"
