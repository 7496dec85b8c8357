"""Scripts that a user submits by hand, without the launcher: ``jobs/<site>/{train,render,build}.sh``.

They are made from the sites' files (``make jobs``) and kept beside them, so that they can be read, copied and changed.
What they need to know is given at submission, as variables; in the job ``launch.py`` does the work in the foreground.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from nsg_cluster.config.site import Site, shipped_sites
from nsg_cluster.core.errors import NsgError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.logs import set_up
from nsg_cluster.core.units import format_duration, parse_duration
from nsg_cluster.executor.placement import Need, dialect_of, place
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.script import environment_lines, module_lines
from nsg_cluster.scheduler.types import Submission

__all__ = ["JOBS", "KINDS", "all_scripts", "hand_script"]

log = logging.getLogger(__name__)
JOBS = Path(__file__).resolve().parents[2] / "jobs"
WALLTIME_S = 12 * 3600
# Kept back from the time limit for starting Python and for the last checkpoint.
RESERVE_S = 300
# Where nodes are not sold in pieces.
CPUS = 4
SUBMIT = {"pbs": "qsub", "gridengine": "qsub", "slurm": "sbatch"}
GIVE = {"pbs": "-v ", "gridengine": "-v ", "slurm": "--export=ALL,"}
FOLDER = {"pbs": "PBS_O_WORKDIR", "gridengine": "SGE_O_WORKDIR", "slurm": "SLURM_SUBMIT_DIR"}
SCHEDULERS = tuple(SUBMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Something that is given at submission."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One thing to do."""

    title: str
    gpus: int
    variables: tuple[Variable, ...]
    body: tuple[str, ...]
    """Lines of bash; ``LIMIT`` stands for the time that a task has, ``launch`` for the launcher."""


PROGRAM = (
    Variable(name="SETTINGS", default="", meaning="KEY=VALUE ..., between blanks"),
    Variable(name="PYTHON", default=".venv/bin/python", meaning="the Python that has nsg_cluster"),
    Variable(name="IMAGE", default="", meaning="a container image (.sif) whose python3 is taken instead"),
    Variable(name="BINDS", default="", meaning="folders that the container sees besides, between commas"),
)
KINDS: dict[str, Kind] = {
    "train": Kind(
        title="Train, evaluate and render an experiment, or go on with a run",
        gpus=1,
        variables=(
            Variable(name="EXPERIMENT", default="configs/quickstart.yaml", meaning="a file, or a run such as @last"),
            *PROGRAM,
        ),
        body=(
            'read -r -a settings <<< "$SETTINGS"',
            "# It stops after a checkpoint before the scheduler ends it. A run that goes on has its settings already.",
            '[ ! -f "$EXPERIMENT" ] || settings=(resources.walltime=LIMIT ${settings[@]+"${settings[@]}"})',
            'launch train "$EXPERIMENT" ${settings[@]+"${settings[@]}"} --site "$SITE"',
        ),
    ),
    "render": Kind(
        title="Render a camera path from the newest checkpoint of a run",
        gpus=1,
        variables=(Variable(name="RUN", default="@last", meaning="its id, a prefix of it, or its folder"), *PROGRAM),
        body=(
            'read -r -a settings <<< "$SETTINGS"',
            'launch render "$RUN" ${settings[@]+"${settings[@]}"} --site "$SITE"',
        ),
    ),
    "build": Kind(
        title="Build a container image from a Dockerfile",
        gpus=0,
        variables=(
            Variable(name="DOCKERFILE", default="docker/Dockerfile", meaning="what to build"),
            Variable(
                name="SETTINGS", default="", meaning="options of `launch.py image build`, such as --base NAME=FILE"
            ),
            Variable(name="PYTHON", default=".venv/bin/python", meaning="the Python that has nsg_cluster"),
        ),
        body=(
            'read -r -a settings <<< "$SETTINGS"',
            "# On the node's own disk; the image is copied to storage when it is whole.",
            'settings+=(--scratch "${NSG_SCRATCH:-${TMPDIR:-/tmp}}")',
            '"$PYTHON" launch.py image build "$DOCKERFILE" "${settings[@]}" --site "$SITE"',
        ),
    ),
}
LAUNCH = """\
launch() {
  if [ -n "$IMAGE" ]; then
    program=$(command -v singularity || command -v apptainer) || { echo "no singularity on PATH"; return 127; }
    binds=$PWD${NSG_SCRATCH:+,$NSG_SCRATCH}${BINDS:+,$BINDS}
    set -- "$program" exec --nv --bind "$binds" "$IMAGE" python3 launch.py "$@"
  else
    command -v "$PYTHON" > /dev/null || { echo "no Python at $PYTHON: make install, or set PYTHON"; return 127; }
    set -- "$PYTHON" launch.py "$@"
  fi
  "$@"
}"""


def all_scripts() -> dict[Path, str]:
    """Return the text of every script of every site with a scheduler, by its path below ``jobs``.

    Raises:
        ConfigError: A site offers nothing that one could run on.
    """
    sites = [site for site in shipped_sites().values() if site.scheduler in SCHEDULERS]
    return {Path(site.name, f"{name}.sh"): hand_script(site, name) for site in sites for name in KINDS}


def hand_script(site: Site, name: str) -> str:
    """Return the text of a script.

    Raises:
        ConfigError: The site offers nothing that it could run on.
    """
    kind, dialect = KINDS[name], dialect_of(site)
    walltime_s = min(WALLTIME_S, parse_duration(site.limits.walltime) if site.limits.walltime else WALLTIME_S)
    need = Need(gpus=kind.gpus, cpus=None if site.resource_types else CPUS, walltime_s=walltime_s)
    submission = Submission(name=name, resources=place(site, need).resources, sink=".", options=site.options)
    limit = format_duration(walltime_s - RESERVE_S).replace(" ", "")
    blocks = [
        ["#!/bin/bash", *(f"{dialect.prefix} {option}" for option in dialect.directives(submission))],
        _usage(site, name, kind),
        _beginning(dialect, name),
        [f"SITE={site.name}", *(f"{each.name}=${{{each.name}:-{each.default}}}" for each in kind.variables)],
        module_lines(site.modules, site.modules_init),
        environment_lines(dialect, site.environment, site.scratch),
        LAUNCH.splitlines() if any(line.startswith("launch ") for line in kind.body) else [],
        # With a trap bash waits for the program when a signal reaches both.
        ["trap : HUP INT TERM USR1 USR2", *(line.replace("LIMIT", limit) for line in kind.body)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _beginning(dialect: Dialect, name: str) -> list[str]:
    """Return the lines after which everything that is said goes to a log."""
    return [
        "set -u",
        f'cd "${{CHECKOUT:-${FOLDER[dialect.name]}}}" && mkdir -p logs || exit',
        *dialect.identity,
        "export NSG_JOB_ID NSG_TASK",
        f'exec >> logs/{name}."$NSG_JOB_ID".log 2>&1 || exit',
    ]


def _usage(site: Site, name: str, kind: Kind) -> list[str]:
    flag = {"pbs": "-P", "gridengine": site.group_flag, "slurm": "--account"}[site.scheduler]
    command = SUBMIT[site.scheduler] + (f" {flag} GROUP" if site.scheduler != "slurm" else "")
    give = GIVE[site.scheduler]
    width = max(len(each.name) for each in kind.variables)
    defaults = [each.meaning + (f"; by default {each.default}" if each.default else "") for each in kind.variables]
    group = f"Your own config.yaml, or {give}NSG_GROUP=GROUP, says whose storage is used."
    lines = [
        f"{kind.title}, on site {site.name}. In the folder that holds launch.py:",
        "",
        f"  {command} jobs/{site.name}/{name}.sh",
        f"  {command} {give}{kind.variables[0].name}=VALUE jobs/{site.name}/{name}.sh",
        "",
        *(f"{each.name:<{width}}  {text}" for each, text in zip(kind.variables, defaults, strict=True)),
        "",
        *([group] if site.group_required else []),
        f"What it says goes to logs/{name}.JOB.log.",
        f"Made by `make jobs` from configs/sites/{site.name}.yaml; to change something, change a copy.",
    ]
    return [f"# {line}".rstrip() for line in lines]


def main() -> int:
    """Write all scripts into ``jobs``."""
    set_up()
    try:
        for path, text in all_scripts().items():
            (JOBS / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(JOBS / path, text, mode=0o755)
            log.info("wrote %s", JOBS / path)
    except NsgError as error:
        log.error("%s", error)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
