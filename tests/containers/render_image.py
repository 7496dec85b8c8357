"""The image of ``docker/Dockerfile.render``, built once for this machine upon that of ``docker/Dockerfile.cpu``."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from tests.clusters.account import Unavailable
from tests.containers.cpu_image import CHECKOUT, KEPT, QUICK, cpu_image
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher
from tests.containers.wheels import render_wheels

DOCKERFILE = CHECKOUT / "docker/Dockerfile.render"


def render_image(engines: Engines) -> Path:
    """Return the image; built by ``launch.py image build`` in a CPU-minute, on the first call and after changes.

    Raises:
        Unavailable: The image below it, Blender's wheel or what Blender needs of Debian cannot be had here.
    """
    below = cpu_image(engines)
    launcher = Launcher(engines, engines.account.folder(engines.root / "render-image"))
    with (engines.account.base / "render-image.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base, wheels = f"nsg_cluster:cpu={below}", render_wheels(engines.account)
        options = ("--base", base, "--wheels", wheels, QUICK, "--name", "render", "--json")
        done = launcher.run("image", "build", DOCKERFILE, *options)
        if done.returncode != 0:
            raise Unavailable(f"an image of {DOCKERFILE}: {done.stderr.strip()[-600:]}")
        for old in sorted(launcher.images.glob("*.sif"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return Path(json.loads(done.stdout)["image"])
