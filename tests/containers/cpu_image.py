"""The image of ``docker/Dockerfile.cpu``, built once for this machine and kept beside the other bases.

It is built anew when something changes that a run does not bring itself: the Dockerfile, the pins, the kernels.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from tests.clusters.account import Unavailable
from tests.containers import bases
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher
from tests.containers.wheels import wheels

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = CHECKOUT / "docker/Dockerfile.cpu"
# Compressed quickly: most of the time of a build is spent there otherwise.
KEPT = 2
QUICK = "--build-option=--mksquashfs-args=-comp zstd -Xcompression-level 1"
EXPERIMENT = "name: a\ndata: {kind: synthetic, image_size: 16}\nmodel: {kind: instant_ngp}\n"


def cpu_image(engines: Engines) -> Path:
    """Return the image; built by ``launch.py image build`` on the first call, in about four CPU-minutes.

    Raises:
        Unavailable: Its packages cannot be downloaded here.
    """
    folder = engines.account.folder(engines.root / "cpu-image")
    launcher = Launcher(engines, folder)
    with (engines.account.base / "cpu-image.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = launcher.write("a.yaml", EXPERIMENT)
        plan = launcher.run(file, f"container.image={DOCKERFILE}", "--dry-run")
        if plan.returncode != 0 or "# note:" in plan.stdout:
            base = f"debian:bookworm-slim={bases.workshop(engines).sif}"
            done = launcher.run(
                *("image", "build", DOCKERFILE, "--base", base, "--wheels", wheels(engines.account), QUICK),
                *("--name", "cpu"),
            )
            if done.returncode != 0:
                raise Unavailable(f"an image of {DOCKERFILE}: {done.stderr.strip()[-600:]}")
            for old in sorted(launcher.images.glob("*.sif"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
                old.unlink()
        shown = launcher.check("image", "show", DOCKERFILE)["images"]
    return Path(shown[0]["image"])
