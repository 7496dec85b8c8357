"""What a task takes at a site: which piece of a node, whether the site's limits allow it, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from nsg_cluster.config.site import ResourceType, Site
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.units import format_duration, parse_duration, parse_memory
from nsg_cluster.executor.request import Request
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.pbs import Pbs
from nsg_cluster.scheduler.slurm import Slurm
from nsg_cluster.scheduler.types import Resources

__all__ = ["Cost", "Need", "Placement", "dialect_of", "place", "place_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What each task of a run needs."""

    gpus: int | None = None
    """GPUs; where a site sells pieces of nodes, ``None`` is one."""
    cpus: int | None = None
    memory_bytes: int | None = None
    walltime_s: int | None = None
    """Time limit; ``None`` for the site's default."""
    resource_type: str | None = None
    """Piece of a node to take; ``None`` for the cheapest that is large enough."""
    elements: int = 1
    """Tasks of the run."""
    max_parallel: int | None = None
    """Tasks that may run at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run costs at most, if every task runs into its time limit."""

    amount: float
    unit: str
    date: str
    """Day for which the rate is known."""
    source: str

    def __str__(self) -> str:
        """Return a sentence such as ``at most 15 points (rates of 2025-03-31)``."""
        return f"at most {self.amount:g} {self.unit} (rates of {self.date})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is asked of the scheduler, and what comes of it."""

    resources: Resources
    architecture: str | None
    """Compute capability of the GPUs, where it is known."""
    gpus: int
    """GPUs of each task."""
    cpus: int | None
    """CPU cores of each task, where they are known."""
    cost: Cost | None
    notes: tuple[str, ...]
    """What the user should know though it forbids nothing."""


def dialect_of(site: Site) -> Dialect:
    """Return how to speak to a site's scheduler.

    Raises:
        ConfigError: The site has none.
    """
    if site.scheduler == "gridengine":
        return GridEngine(
            group_flag=site.group_flag,
            parallel_environment=site.parallel_environment,
            gpu_resource=site.gpu_resource,
            memory_resource=site.memory_resource,
        )
    if site.scheduler == "pbs":
        return Pbs()
    if site.scheduler == "slurm":
        return Slurm()
    raise ConfigError(f"site {site.name}: tasks are started by this machine itself, not by a scheduler")


def place(site: Site, need: Need) -> Placement:
    """Return what to ask a site for.

    Raises:
        ConfigError: The site has nothing large enough, or one of its limits forbids it; all reasons, one a line.
    """
    default = site.limits.default_walltime
    walltime_s = need.walltime_s or (parse_duration(default) if default else None)
    if not site.resource_types:
        _refuse(site, _beyond_limits(site, None, 1, walltime_s, need))
        resources = Resources(
            walltime_s=walltime_s,
            gpus=need.gpus,
            cpus=need.cpus,
            memory_bytes=need.memory_bytes,
            queue=site.queue,
        )
        notes = _notes(site, need)
        if need.gpus is None:
            notes += ("no GPU is asked for; set resources.gpus",)
        return Placement(
            resources=resources, architecture=None, gpus=need.gpus or 0, cpus=need.cpus, cost=None, notes=notes
        )
    name, pieces = _chosen(site, need)
    kind = site.resource_types[name]
    _refuse(site, _beyond_limits(site, kind, pieces, walltime_s, need))
    return Placement(
        resources=Resources(walltime_s=walltime_s, nodes=pieces, resource_type=name, queue=site.queue),
        architecture=kind.architecture,
        gpus=kind.gpus * pieces,
        cpus=kind.cpus * pieces,
        cost=_cost(site, kind, pieces, walltime_s, need.elements),
        notes=_notes(site, need),
    )


def place_request(site: Site, request: Request) -> Placement:
    """Return what to ask a site for on behalf of a run.

    Raises:
        ConfigError: Its tasks differ in what they need, or the site cannot do it.
    """
    first, *others = request.tasks
    for index, other in enumerate(others, start=1):
        if other != first:
            raise ConfigError(
                f"site {site.name}: the elements of an array need the same resources, but task {index} asks for "
                f"others than task 0; submit them as runs of their own"
            )
    return place(
        site,
        Need(
            gpus=first.gpus,
            cpus=first.cpus,
            memory_bytes=first.memory_bytes,
            walltime_s=first.walltime_s,
            resource_type=first.resource_type,
            elements=len(request.tasks),
            max_parallel=request.max_parallel,
        ),
    )


def _chosen(site: Site, need: Need) -> tuple[str, int]:
    """Return the resource type and the number of pieces: those named, or the cheapest that suffice.

    Raises:
        ConfigError: None suffices.
    """
    if need.resource_type is not None and need.resource_type not in site.resource_types:
        raise ConfigError(f"site {site.name} has no {need.resource_type}; it has {', '.join(site.resource_types)}")
    names = [need.resource_type] if need.resource_type else list(site.resource_types)
    fitting = []
    for order, name in enumerate(names):
        kind = site.resource_types[name]
        pieces = _pieces(kind, need)
        if pieces <= kind.max_pieces:
            price = float("inf") if kind.rate is None else kind.rate * pieces
            fitting.append((price, kind.gpus * pieces, kind.cpus * pieces, order, name, pieces))
    if fitting:
        *_, name, pieces = min(fitting)
        return name, pieces
    offers = "; ".join(f"{name}: {_described(site.resource_types[name])}" for name in names)
    raise ConfigError(f"site {site.name} has nothing large enough for {_wanted(need)}; it has {offers}")


def _pieces(kind: ResourceType, need: Need) -> int:
    """Return how many pieces a task needs; more than there can be where no number suffices."""
    gpus = 1 if need.gpus is None and need.resource_type is None else need.gpus or 0
    ratios = [
        _ceiling(gpus, kind.gpus),
        _ceiling(need.cpus or 0, kind.cpus),
        _ceiling(need.memory_bytes or 0, parse_memory(kind.memory)),
    ]
    return max(1, *ratios)


def _ceiling(amount: int, size: int) -> int:
    if not size:
        return 0 if not amount else 1 << 30
    return -(-amount // size)


def _wanted(need: Need) -> str:
    parts = [f"{1 if need.gpus is None else need.gpus} GPUs"]
    parts += [f"{need.cpus} cores"] if need.cpus else []
    parts += [f"{need.memory_bytes / 2**30:g} GiB"] if need.memory_bytes else []
    return ", ".join(parts)


def _described(kind: ResourceType) -> str:
    pieces = f", up to {kind.max_pieces} of them" if kind.max_pieces > 1 else ""
    return f"{kind.gpus} GPUs, {kind.cpus} cores, {kind.memory}{pieces}"


def _beyond_limits(site: Site, kind: ResourceType | None, pieces: int, walltime_s: int | None, need: Need) -> list[str]:
    """Return what a site's limits forbid."""
    limits = site.limits
    longest = (kind.walltime if kind else None) or limits.walltime
    node_hours = (kind.node_hours if kind else None) or limits.node_hours
    wrong = []
    if longest and walltime_s and walltime_s > parse_duration(longest):
        wrong.append(
            f"resources.walltime: {format_duration(walltime_s)} is more than {longest}; with resources.walltime="
            f"{longest} a task writes a checkpoint then, and is continued"
        )
    if node_hours and walltime_s and pieces * walltime_s > node_hours * 3600:
        used = pieces * walltime_s / 3600
        wrong.append(
            f"{pieces} nodes for {format_duration(walltime_s)} are {used:g} node-hours, more than {node_hours:g}"
        )
    if limits.array_elements and need.elements > limits.array_elements:
        wrong.append(f"{need.elements} tasks are more than the {limits.array_elements} elements of an array")
    return wrong


def _refuse(site: Site, wrong: list[str]) -> None:
    if wrong:
        raise ConfigError("\n".join(f"site {site.name}: {text}" for text in wrong))


def _notes(site: Site, need: Need) -> tuple[str, ...]:
    running = site.limits.running_jobs
    wanted = min(need.elements, need.max_parallel or need.elements)
    if running and wanted > running:
        return (f"{wanted} tasks may run at the same time, but the site runs {running} of a user",)
    return ()


def _cost(site: Site, kind: ResourceType, pieces: int, walltime_s: int | None, elements: int) -> Cost | None:
    if kind.rate is None or site.rates is None or walltime_s is None:
        return None
    amount = round(kind.rate * pieces * walltime_s / 3600 * elements, 6)
    return Cost(amount=amount, unit=site.rates.unit, date=site.rates.date, source=site.rates.source)
