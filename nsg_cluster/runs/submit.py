"""From an experiment's file to a run: compose, check, make the folder, start."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nsg_cluster.config.compose import dump, load
from nsg_cluster.config.schema import Experiment, ResourcesConfig
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.config.sweep import expand, spec_hash
from nsg_cluster.core.errors import ConfigError, RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.core.units import parse_duration
from nsg_cluster.executor import local
from nsg_cluster.executor.charge import put_in_charge
from nsg_cluster.executor.request import Request, TaskRequest
from nsg_cluster.runs.record import Record, RecordedTask, Sources, new_id, new_record, sources
from nsg_cluster.runs.script import batch_script
from nsg_cluster.tasks.status import TaskStatus

__all__ = ["Plan", "create", "make_plan", "submit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be submitted."""

    experiment: Experiment
    """As composed, its sweep not expanded."""
    elements: tuple[Experiment, ...]
    """What each task computes."""
    site: Site
    site_reference: str
    """What finds the site again: its name, or its file."""
    request: Request

    @property
    def storage(self) -> StoragePaths:
        """Where the run goes."""
        return StoragePaths(Path(self.site.storage))


def make_plan(
    path: Path | str, overrides: Sequence[str] = (), *, site: str | None = None, max_parallel: int | None = None
) -> Plan:
    """Return what a file would be submitted as.

    Args:
        path: YAML file of an experiment.
        overrides: ``dotted.key=value``.
        site: Name or file of a site; the user's default otherwise.
        max_parallel: Tasks that may run at the same time, instead of what the experiment says.

    Raises:
        ConfigError: All mistakes, one a line.
    """
    found = load_site(site)
    _check_reachable(found)
    experiment = load(path, overrides, variables={"storage": found.storage})
    elements = expand(experiment)
    request = Request(
        max_parallel=max_parallel or experiment.resources.max_parallel,
        tasks=tuple(_task_request(element.resources) for element in elements),
    )
    reference = str(Path(site).absolute()) if site and Path(site).is_file() else found.name
    return Plan(experiment=experiment, elements=elements, site=found, site_reference=reference, request=request)


def _check_reachable(site: Site) -> None:
    """Refuse a site whose scheduler runs cannot be handed to: the tasks would start on this machine instead."""
    if site.scheduler != "local":
        raise ConfigError(
            f"site {site.name}: runs cannot be handed to {site.scheduler} yet; use --site local on a node that you "
            f"have reserved, or submit functions of your own with submitit's plugins"
        )


def _task_request(resources: ResourcesConfig) -> TaskRequest:
    limit = resources.walltime
    return TaskRequest(gpus=resources.gpus, walltime_s=parse_duration(limit) if limit else None)


def submit(plan: Plan) -> RunPaths:
    """Make the folder of a run and start its tasks; return at once.

    Raises:
        NsgError: The site cannot do it, or the folder cannot be written; nothing is left behind.
    """
    run = create(plan)
    local.launch(run, plan.site.environment)
    return run


def create(plan: Plan) -> RunPaths:
    """Make the folder of a run, all of it or nothing, its tasks queued.

    Raises:
        NsgError: The site cannot do it, or the folder cannot be written.
    """
    run_id = new_id()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    run = plan.storage.run(plan.experiment.name, f"{stamp}-{run_id}")
    local.check(run, plan.request)
    found = sources()
    record = new_record(
        run_id,
        plan.experiment.name,
        site=plan.site_reference,
        request=plan.request,
        tasks=tuple(RecordedTask(name=element.name, hash=spec_hash(element)) for element in plan.elements),
        found=found,
    )
    # Others look at folders whose name does not begin with a dot.
    draft = plan.storage.run(plan.experiment.name, f".new-{run_id}")
    try:
        draft.root.mkdir(parents=True)
        _write_files(draft, run, plan, record, found)
        put_in_charge(draft, os.getpid())
        draft.root.rename(run.root)
    except OSError as error:
        where = "choose another storage with NSG_STORAGE, or 'storage:' in ~/.config/nsg_cluster/config.yaml"
        raise RunError(f"{plan.storage.runs}: a run cannot be written there: {error.strerror}; {where}") from None
    finally:
        if draft.root.exists():
            shutil.rmtree(draft.root, ignore_errors=True)
        with suppress(OSError):
            run.root.parent.rmdir()  # only where nothing is in it
    return run


def _write_files(draft: RunPaths, run: RunPaths, plan: Plan, record: Record, found: Sources) -> None:
    draft.spec.write_text(dump(plan.experiment))
    draft.record.write_text(json.dumps(record.to_json(), indent=1) + "\n")
    if found.difference:
        draft.difference.write_text(found.difference)
    count = "1 task" if len(plan.elements) == 1 else f"{len(plan.elements)} tasks"
    title = f"Run {record.id} of {record.name} ({count}) on site {record.site}; it goes on where it stopped"
    draft.script.write_text(batch_script(local.command(run), title=title, environment=plan.site.environment))
    # The site's variables stand in it, and may be nobody else's business.
    draft.script.chmod(0o700)
    for index, element in enumerate(plan.elements):
        paths = draft.task(index)
        paths.root.mkdir(parents=True)
        paths.spec.write_text(dump(element))
        paths.status.write_text(json.dumps(asdict(TaskStatus())))
