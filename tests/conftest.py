"""Shared set-up: shapes are checked while testing, and the user's own settings stay out of the tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read when torch is loaded: the tests run side by side, and threads that wait in a loop would slow each other down.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

CHECKOUT = Path(__file__).resolve().parent.parent

try:
    from jaxtyping import install_import_hook
except ImportError:  # the launcher alone is installed
    pass
else:
    # Kept for the whole session: every function of the package checks the shapes that its annotations promise.
    # An int is a float to PEP 484 and to mypy, but to beartype only with this setting.
    install_import_hook("nsg_cluster", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# A busy machine is slow and a checkout may be read-only: neither is a failure of what is tested.
settings.register_profile("suite", deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests see neither the user's configuration file nor NSG_* variables, but for those that name what is there."""
    for name in list(os.environ):
        if name.startswith("NSG_") and name not in {"NSG_DATA", "NSG_KERNELS", "NSG_BLENDER"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config_home")))


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Commands that a test runs in this process send the package's log elsewhere; the next test gets it back."""
    log = logging.getLogger("nsg_cluster")
    handlers, level, propagates = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.propagate = handlers, propagates
    log.setLevel(level)


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """Return the folder of real data; skip where it is absent."""
    root = Path(os.environ.get("NSG_DATA", CHECKOUT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no real data at {root}: set NSG_DATA to a folder laid out like shared/data")
    yield root
