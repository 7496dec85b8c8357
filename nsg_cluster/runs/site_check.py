"""Whether a site's file fits the machine that it describes: programs, group, variables, modules, pieces of nodes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from nsg_cluster.config.site import Site
from nsg_cluster.core.errors import MachineError, did_you_mean
from nsg_cluster.core.process import run
from nsg_cluster.executor.client import Client
from nsg_cluster.executor.placement import dialect_of
from nsg_cluster.runs.finding import Finding
from nsg_cluster.scheduler.dialect import Dialect
from nsg_cluster.scheduler.script import REFERENCE, USUAL

__all__ = ["examine_site"]

TIMEOUT_S = 60.0
# A name that no job bears: what counts is that the scheduler answers.
NOBODY = "nsg-doctor"
# Loads modules as a job does; the arguments are words of their own.
LOAD = 'set +u; source "$0" && module load "$@"'


def examine_site(site: Site) -> Iterator[Finding]:
    """Yield what can be found out about a site from here."""
    yield Finding(name="site", ok=True, found=f"{site.name} ({site.scheduler})")
    if site.scheduler == "local":
        return
    dialect = dialect_of(site)
    missing = [name for name in dialect.programs if not shutil.which(name)]
    yield _programs(dialect, missing)
    if not missing:
        yield _answer(dialect)
        yield from _pieces(site, dialect)
    yield _group(site)
    yield from _variables(site, dialect)
    yield from _modules(site)
    yield from _rates(site)


def _programs(dialect: Dialect, missing: list[str]) -> Finding:
    found = f"not on PATH: {', '.join(missing)}" if missing else ", ".join(dialect.programs)
    advice = f"use a login node of a cluster with {dialect.title}, or add the folder of its programs to PATH"
    return Finding(name=dialect.name, ok=not missing, found=found, advice=advice if missing else "", needed=True)


def _answer(dialect: Dialect) -> Finding:
    try:
        Client(dialect).find(NOBODY)
    except MachineError as error:
        advice = "nothing can be submitted or looked at until it answers; ask the site's staff"
        return Finding(name="answers", ok=False, found=str(error), advice=advice, needed=True)
    return Finding(name="answers", ok=True, found=f"{dialect.title} answers", needed=True)


def _pieces(site: Site, dialect: Dialect) -> Iterator[Finding]:
    """Compare the names that jobs ask for with those that the scheduler knows."""
    wanted = [*site.resource_types, *([site.queue] if site.queue else [])]
    argv = dialect.offers_argv()
    if not wanted:
        return
    try:
        offered = dialect.parse_offers(run(argv, timeout_s=TIMEOUT_S))
    except MachineError as error:
        yield Finding(
            name="pieces", ok=False, found=str(error), advice="they could not be compared with the site's file"
        )
        return
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        near = did_you_mean(unknown[0], offered)
        advice = f"correct 'resource_types' and 'queue' of the site; it offers {', '.join(sorted(offered)[:20])}.{near}"
        yield Finding(name="pieces", ok=False, found=f"unknown: {', '.join(unknown)}", advice=advice, needed=True)
    else:
        yield Finding(name="pieces", ok=True, found=", ".join(wanted), needed=True)


def _group(site: Site) -> Finding:
    if site.group:
        return Finding(name="group", ok=True, found=site.group)
    advice = "where jobs must be paid for, set NSG_GROUP, or 'group:' in ~/.config/nsg_cluster/config.yaml"
    return Finding(name="group", ok=False, found="none", advice=advice)


def _variables(site: Site, dialect: Dialect) -> Iterator[Finding]:
    """Look for variables of a job that nobody sets: in the scratch folder and the environment."""
    texts = {"scratch": site.scratch or "", **{f"environment.{name}": text for name, text in site.environment.items()}}
    known = {*dialect.variables.split(), *USUAL, "NSG_SCRATCH", "NSG_JOB_ID", "NSG_TASK", *site.environment}
    unknown = {
        name: place
        for place, text in texts.items()
        for match in REFERENCE.finditer(text)
        if (name := match[2] or match[3]) and name not in known
    }
    for name, place in unknown.items():
        near = did_you_mean(name, dialect.variables.split())
        found = f"{place}: {dialect.title} sets no ${name}"
        advice = f"a job would end at once unless the site itself sets it.{near}"
        yield Finding(name="variable", ok=False, found=found, advice=advice, needed=bool(near))
    if site.scratch and not unknown:
        yield Finding(name="scratch", ok=True, found=site.scratch)


def _modules(site: Site) -> Iterator[Finding]:
    if not site.modules:
        return
    names = ", ".join(site.modules)
    if not Path(site.modules_init).is_file():
        found, advice = f"{site.modules_init}: no such file", "name the file that defines 'module': modules_init"
        yield Finding(name="modules", ok=False, found=found, advice=advice, needed=True)
        return
    answer = run(["bash", "-c", LOAD, site.modules_init, *site.modules], timeout_s=TIMEOUT_S)
    said = answer.err.strip()
    # The older kind of modules fails with exit status 0.
    ok = answer.status == 0 and not re.search(r"error", said, re.IGNORECASE)
    advice = "" if ok else "correct 'modules' of the site: 'module avail' lists them"
    yield Finding(name="modules", ok=ok, found=names if ok else f"{names}: {said[-300:]}", advice=advice, needed=True)


def _rates(site: Site) -> Iterator[Finding]:
    if site.rates:
        yield Finding(name="rates", ok=True, found=f"{site.rates.unit} of {site.rates.date} ({site.rates.source})")
    elif site.resource_types:
        advice = "add 'rate' to resource_types and 'rates' with their day, to see what a run costs"
        yield Finding(name="rates", ok=False, found="none", advice=advice)
