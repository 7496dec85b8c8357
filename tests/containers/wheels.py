"""The wheels from which alone pip installs while an image is built: the image needs no package index."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clusters.account import Account, Unavailable

CHECKOUT = Path(__file__).resolve().parents[2]
# Of the Debian that images are built from here, whichever Python runs the tests.
TARGET = ("--python-version=3.11", "--only-binary=:all:")
BUILD_SYSTEM = ("scikit-build-core", "nanobind", "cmake", "ninja")
MINUTES_S = 900


def wheels(account: Account) -> Path:
    """Return the folder of those for `docker/Dockerfile.cpu`; downloaded on the first call, and when the pins change.

    Raises:
        Unavailable: They cannot be downloaded here.
    """
    lines = [sys.executable, str(CHECKOUT / "docker/requirements.py"), str(CHECKOUT / "pyproject.toml"), "train"]
    needed = subprocess.run(lines, capture_output=True, text=True, check=True).stdout.splitlines()
    return _kept(account, "wheels", [*needed, *BUILD_SYSTEM], CHECKOUT / "docker/constraints.txt", PIP_NO_CACHE_DIR="1")


def render_wheels(account: Account) -> Path:
    """Return the folder of those for `docker/Dockerfile.render`, likewise; `make render` may have cached its largest.

    Raises:
        Unavailable: They cannot be downloaded here.
    """
    return _kept(account, "wheels-render", ["bpy"], CHECKOUT / "docker/constraints_render.txt")


def _kept(account: Account, name: str, needed: Sequence[str], pins: Path, **env: str) -> Path:
    folder = account.folder(account.base / name)
    made_for = "\n".join([pins.read_text(), *needed])
    with (account.base / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = folder / "made_for"
        if not marker.is_file() or marker.read_text() != made_for:
            shutil.rmtree(folder)
            account.folder(folder)
            _download(folder, needed, pins, env)
            account.write(marker, made_for)
    return folder


def _download(folder: Path, needed: Sequence[str], pins: Path, env: Mapping[str, str]) -> None:
    options = ["--quiet", "--disable-pip-version-check", f"--constraint={pins}", f"--dest={folder}", *TARGET]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *needed],
        capture_output=True,
        text=True,
        timeout=MINUTES_S,
        env={**os.environ, **env},
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"the wheels of an image: {done.stderr.strip()[-300:]}")
