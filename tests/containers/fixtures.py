"""Containers for tests: ``engines`` (Apptainer and Buildah), ``tiny`` and ``debian`` (bases)."""

from __future__ import annotations

import pytest

from tests.clusters.account import Unavailable, ordinary_account
from tests.containers import bases
from tests.containers.engines import Engines
from tests.containers.packages import programs

__all__ = ["debian", "engines", "tiny"]


def made_engines() -> Engines:
    """Return Apptainer and Buildah, ready for use.

    Raises:
        Unavailable: This machine cannot have them.
    """
    account = ordinary_account()
    engines = Engines(account, programs(account))
    engines.configure()
    done = engines.run("apptainer", "--version")
    if done.returncode != 0:
        raise Unavailable(f"an Apptainer that runs: {done.stderr.strip()[-200:]}")
    return engines


@pytest.fixture(scope="session")
def engines() -> Engines:
    """Return Apptainer and Buildah; skip where this machine cannot have them."""
    try:
        return made_engines()
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")


@pytest.fixture(scope="session")
def tiny(engines: Engines) -> bases.Base:
    """Return the base that holds Busybox."""
    return _base(engines, "tiny")


@pytest.fixture(scope="session")
def debian(engines: Engines) -> bases.Base:
    """Return the base that holds a minimal Debian."""
    return _base(engines, "debian")


def _base(engines: Engines, name: str) -> bases.Base:
    try:
        return {"tiny": bases.tiny, "debian": bases.debian}[name](engines)
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")
