"""A site's executor, set up as the site's file says."""

from __future__ import annotations

import os
from pathlib import Path

from nsg_cluster.config.site import Site
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.process import BLENDER
from nsg_cluster.executor.gridengine import GridEngineExecutor
from nsg_cluster.executor.pbs import PbsExecutor
from nsg_cluster.executor.placement import Placement
from nsg_cluster.executor.plugin import SchedulerExecutor
from nsg_cluster.executor.slurm import SlurmExecutor
from nsg_cluster.scheduler.types import Dependency
from nsg_cluster.tasks.secrets import SECRETS

__all__ = ["make_executor"]

EXECUTORS: dict[str, type[SchedulerExecutor]] = {
    kind.name(): kind for kind in (GridEngineExecutor, PbsExecutor, SlurmExecutor)
}
UNLIMITED = 1 << 30


def make_executor(
    site: Site,
    folder: Path,
    placement: Placement,
    *,
    name: str,
    max_parallel: int | None = None,
    after: Dependency | None = None,
) -> SchedulerExecutor:
    """Return an executor that submits to a site.

    Args:
        site: The site.
        folder: Folder for submitit's files, in that of the run.
        placement: What each task takes.
        name: Name of the job: what finds it again after a crash of the launcher.
        max_parallel: Tasks that may run at the same time.
        after: Jobs to wait for.

    Raises:
        ConfigError: The site has no scheduler, or it cannot express something that is asked for.
    """
    if site.scheduler not in EXECUTORS:
        raise ConfigError(f"site {site.name}: tasks are started by this machine itself, not by a scheduler")
    # A task that gets no further between two limits ends by itself.
    executor = EXECUTORS[site.scheduler](folder, max_num_timeout=UNLIMITED)
    setup = {"parallel_environment", "gpu_resource", "memory_resource", "group_flag"} & set(executor.PARAMETERS)
    own = {key: getattr(site, key) for key in setup}
    executor.update_parameters(
        **{key: value for key, value in own.items() if value is not None},
        name=name,
        resources=placement.resources,
        group=site.group,
        array_parallelism=max_parallel,
        after=after,
        options=site.options,
        modules=site.modules,
        modules_init=site.modules_init,
        environment=_environment(site, placement),
        scratch=site.scratch,
        workdir=str(folder.parent),
    )
    return executor


def _environment(site: Site, placement: Placement) -> dict[str, str]:
    """Return the variables of a task: threads as many as cores, the Blender of this shell, or as the site says.

    The file of secrets is only named; it is read inside the job.
    """
    threads = {"OMP_NUM_THREADS": str(placement.cpus)} if placement.cpus is not None else {}
    secrets = {SECRETS: site.secrets.replace("$", "$$")} if site.secrets else {}
    blender = {BLENDER: os.environ[BLENDER].replace("$", "$$")} if os.environ.get(BLENDER) else {}
    return {**threads, **blender, **site.environment, **secrets}
