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
from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.site import Site, load_site
from nsg_cluster.config.sweep import expand, spec_hash
from nsg_cluster.core.errors import ConfigError, DataError, MachineError, RunError
from nsg_cluster.core.paths import RunPaths, StoragePaths
from nsg_cluster.core.units import parse_duration, parse_memory
from nsg_cluster.executor import local
from nsg_cluster.executor.charge import put_in_charge
from nsg_cluster.executor.placement import Placement, place_request
from nsg_cluster.executor.request import Request, TaskRequest
from nsg_cluster.runs.after import check_here, dependency_on, trained_by
from nsg_cluster.runs.clean import remove
from nsg_cluster.runs.cluster import executor_of, hand_over, new_submission, settle
from nsg_cluster.runs.command import keep_source, stage_command, write_container
from nsg_cluster.runs.find import experiment_runs, run_id
from nsg_cluster.runs.image import Chosen, choose
from nsg_cluster.runs.jobs import Jobs, read_jobs
from nsg_cluster.runs.provisions import check_provisions, environment_here, missing_data
from nsg_cluster.runs.record import Record, RecordedTask, Sources, new_id, new_record, read_record, sources
from nsg_cluster.runs.references import with_runs_found
from nsg_cluster.runs.script import batch_script
from nsg_cluster.tasks.lock import locked
from nsg_cluster.tasks.orders import Orders
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
    placement: Placement | None
    """What is asked of the site's scheduler; ``None`` where this machine starts the tasks."""
    after: tuple[RunPaths, ...] = ()
    """Runs that must have succeeded before it begins."""
    image: Chosen | None = None
    """The image that its tasks run in; ``None`` where they run in the launcher's Python."""

    @property
    def storage(self) -> StoragePaths:
        """Where the run goes."""
        return StoragePaths(Path(self.site.storage))


def make_plan(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    site: str | None = None,
    max_parallel: int | None = None,
    after: Sequence[RunPaths] = (),
) -> Plan:
    """Return what a file would be submitted as.

    Args:
        path: YAML file of an experiment.
        overrides: ``dotted.key=value``.
        site: Name or file of a site; the user's default otherwise.
        max_parallel: Tasks that may run at the same time, instead of what the experiment says.
        after: Runs that must have succeeded before it begins.

    Raises:
        ConfigError: All mistakes, one a line; or the site cannot give what the tasks need.
        ContainerError: The image is missing, damaged, or has no code for the GPUs.
    """
    found = load_site(site)
    storage = StoragePaths(Path(found.storage))
    experiment = with_runs_found(load(path, overrides, variables={"storage": found.storage}), storage)
    elements = tuple(with_runs_found(element, storage) for element in expand(experiment))
    check_provisions(found, elements)
    request = Request(
        max_parallel=max_parallel or experiment.resources.max_parallel,
        tasks=tuple(_task_request(element, is_local=found.scheduler == "local") for element in elements),
    )
    reference = str(Path(site).absolute()) if site and Path(site).is_file() else found.name
    placement = None if found.scheduler == "local" else place_request(found, request)
    return Plan(
        experiment=experiment,
        elements=elements,
        site=found,
        site_reference=reference,
        request=request,
        placement=placement,
        after=_checked_after(after, elements),
        image=_image(found, elements, placement),
    )


def _checked_after(after: Sequence[RunPaths], elements: Sequence[Experiment]) -> tuple[RunPaths, ...]:
    """Return the runs to wait for, after checking the one whose weights are used.

    Raises:
        ConfigError: It has other tasks.
    """
    source = trained_by(after, elements)
    if source and (count := len(read_record(source).tasks)) != len(elements):
        raise ConfigError(
            f"run {run_id(source)} has {count} tasks, this one has {len(elements)}: they must be the same"
        )
    return tuple(after)


def _image(site: Site, elements: Sequence[Experiment], placement: Placement | None) -> Chosen | None:
    """Return the image of a run's tasks.

    Raises:
        ConfigError: They ask for several.
        ContainerError: It is missing, damaged, or has no code for the GPUs.
    """
    if any(element.container != elements[0].container for element in elements):
        raise ConfigError("sweep: the tasks of a run have one container; take the keys of container out of the sweep")
    architecture = placement.architecture if placement and placement.gpus else None
    return choose(site, elements[0], architecture=architecture)


def _task_request(element: Experiment, *, is_local: bool) -> TaskRequest:
    resources, processes = element.resources, element.train.processes
    limit, memory, gpus = resources.walltime, resources.memory, resources.gpus
    if gpus is None and processes > 1 and not is_local and element.train.device != "cpu":
        gpus = processes
    return TaskRequest(
        gpus=gpus,
        walltime_s=parse_duration(limit) if limit else None,
        cpus=resources.cpus,
        memory_bytes=parse_memory(memory) if memory else None,
        resource_type=resources.resource_type,
    )


def submit(plan: Plan) -> RunPaths:
    """Make the folder of a run and start its tasks, or hand them to the site's scheduler; return at once.

    A run of the same experiment that a launcher left behind when it died before its scheduler had answered is taken up.

    Raises:
        NsgError: The site cannot do it, or the folder cannot be written; nothing is left behind. Or it is not known
            whether the scheduler took the run; then its folder is.
    """
    if plan.placement is None:
        check_here(plan.after)
        run = create(plan)
        local.launch(run, environment_here(plan.site))
        return run
    return left_behind(plan) or _submit_to_cluster(plan, plan.placement)


def _submit_to_cluster(plan: Plan, placement: Placement) -> RunPaths:
    run_id = new_id()
    run = _folder(plan, run_id)
    made = new_submission(run_id, plan.experiment.name, range(len(plan.elements)))
    after = dependency_on(plan.after, plan.site.scheduler)
    parallel = plan.request.max_parallel
    executor = executor_of(run, plan.site, placement, made.token, max_parallel=parallel, after=after)
    jobs = Jobs(scheduler=plan.site.scheduler, submissions=(made,))
    create(plan, run, jobs=jobs, script=executor.script_text(made.token))
    try:
        with locked(run.lock):
            hand_over(run, executor, jobs, made)
    except (ConfigError, MachineError):
        remove(run)
        raise
    return run


def left_behind(plan: Plan) -> RunPaths | None:
    """Return a run of the same experiments whose launcher died while it submitted them, after looking for its job."""
    for run in reversed(experiment_runs(plan.storage, plan.experiment.name)):
        jobs = read_jobs(run)
        if jobs is None or jobs.scheduler != plan.site.scheduler or not jobs.is_open:
            continue
        hashes = tuple(task.hash for task in read_record(run).tasks)
        if hashes != tuple(spec_hash(element) for element in plan.elements):
            continue
        with suppress(RunError):  # another launcher is submitting it right now
            if any(made.job for made in settle(run, jobs).submissions):
                return run
    return None


def _folder(plan: Plan, run_id: str) -> RunPaths:
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return plan.storage.run(plan.experiment.name, f"{stamp}-{run_id}")


def create(plan: Plan, run: RunPaths | None = None, *, jobs: Jobs | None = None, script: str | None = None) -> RunPaths:
    """Make the folder of a run, all of it or nothing, its tasks queued.

    Args:
        plan: The run.
        run: Where; a new folder by default.
        jobs: What is about to be handed to a scheduler; otherwise this process is in charge of the tasks.
        script: What is submitted; by default what runs the tasks on this machine.

    Raises:
        NsgError: The site cannot do it, or the folder cannot be written.
    """
    run = run or _folder(plan, new_id())
    local.check_folder(run)
    if jobs is None and plan.placement is None:
        local.check(run, plan.request)
        _check_data(plan)
    found = sources()
    record = new_record(
        run_id(run),
        plan.experiment.name,
        site=plan.site_reference,
        request=plan.request,
        tasks=tuple(RecordedTask(name=element.name, hash=spec_hash(element)) for element in plan.elements),
        found=found,
    )
    # Others look at folders whose name does not begin with a dot.
    draft = plan.storage.run(plan.experiment.name, f".new-{record.id}")
    try:
        draft.root.mkdir(parents=True)
        _write_files(draft, run, plan, record, found)
        draft.script.write_text(script or _script_of(run, plan, record))
        # The site's variables stand in it, and may be nobody else's business.
        draft.script.chmod(0o700)
        if jobs:
            jobs.write(draft)
        else:
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


def _check_data(plan: Plan) -> None:
    """Refuse a run whose data are not here, unless a run that it waits for may bring them.

    Raises:
        DataError: They are not.
    """
    if not plan.after and (lack := missing_data(plan.elements)):
        raise DataError(lack)


def _script_of(run: RunPaths, plan: Plan, record: Record) -> str:
    """Return the script that runs the tasks of a run on this machine."""
    count = "1 task" if len(plan.elements) == 1 else f"{len(plan.elements)} tasks"
    title = f"Run {record.id} of {record.name} ({count}) on site {record.site}; it goes on where it stopped"
    return batch_script(local.command(run), title=title, environment=environment_here(plan.site))


def _write_files(draft: RunPaths, run: RunPaths, plan: Plan, record: Record, found: Sources) -> None:
    draft.spec.write_text(dump(plan.experiment))
    draft.record.write_text(json.dumps(record.to_json(), indent=1) + "\n")
    if found.difference:
        draft.difference.write_text(found.difference)
    draft.orders.write_text(json.dumps(orders_of(plan, run).to_json(), indent=1) + "\n")
    if plan.image:
        write_container(draft, run, plan.image.container)
    if plan.image or plan.placement:
        keep_source(draft)
    for index, element in enumerate(plan.elements):
        paths = draft.task(index)
        paths.root.mkdir(parents=True)
        paths.spec.write_text(dump(element))
        paths.status.write_text(json.dumps(asdict(TaskStatus())))
        if source := trained_by(plan.after, plan.elements):
            paths.checkpoints.symlink_to(source.task(index).checkpoints)


def orders_of(plan: Plan, run: RunPaths) -> Orders:
    """Return what the jobs of a run are told beside their experiments."""
    return Orders(
        command=stage_command(run, plan.image.container if plan.image else None),
        after=tuple(str(run.root) for run in plan.after),
        continuations=plan.experiment.resources.continuations,
    )
