"""The wheels from which alone pip installs while an image is built: the image needs no package index."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.clusters.account import Account, Unavailable

CHECKOUT = Path(__file__).resolve().parents[2]
# Of the Debian that images are built from here, whichever Python runs the tests.
TARGET = ("--python-version=3.11", "--only-binary=:all:")
BUILD_SYSTEM = ("scikit-build-core", "nanobind", "cmake", "ninja")
MINUTES_S = 900


def wheels(account: Account) -> Path:
    """Return the folder of wheels; downloaded on the first call, and when the pins change.

    Raises:
        Unavailable: They cannot be downloaded here.
    """
    folder = account.folder(account.base / "wheels")
    pins = CHECKOUT / "docker/constraints.txt"
    lines = [sys.executable, str(CHECKOUT / "docker/requirements.py"), str(CHECKOUT / "pyproject.toml"), "train"]
    needed = [*subprocess.run(lines, capture_output=True, text=True, check=True).stdout.splitlines(), *BUILD_SYSTEM]
    made_for = "\n".join([pins.read_text(), *needed])
    with (account.base / "wheels.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = folder / "made_for"
        if not marker.is_file() or marker.read_text() != made_for:
            shutil.rmtree(folder)
            account.folder(folder)
            _download(folder, needed, pins)
            account.write(marker, made_for)
    return folder


def _download(folder: Path, needed: list[str], pins: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", f"--constraint={pins}", f"--dest={folder}", *TARGET]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, *needed],
        capture_output=True,
        text=True,
        timeout=MINUTES_S,
        env={**os.environ, "PIP_NO_CACHE_DIR": "1"},
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"the wheels of an image: {done.stderr.strip()[-300:]}")
