"""The definitions in ``singularity/``: written from the Dockerfiles, committed, and compared by a test.

``make definitions`` writes them. They are for sites where an image is built by hand; `launch.py image build` converts
the Dockerfile itself, with arguments and bases of the site.
"""

from __future__ import annotations

import logging
from pathlib import Path

from nsg_cluster.container.definition import convert
from nsg_cluster.container.loss import loss_text
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.logs import set_up

__all__ = ["definitions", "write"]

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = {"Dockerfile": "nsg_cluster.def", "Dockerfile.cpu": "nsg_cluster.cpu.def"}


def definitions(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return the texts of the definitions by their file names.

    Raises:
        ContainerError: A Dockerfile is wrong.
    """
    return {
        target: convert(checkout / "docker" / source, context=checkout, shown=f"docker/{source}").text
        for source, target in NAMES.items()
    }


def write(folder: Path) -> list[Path]:
    """Write the definitions into a folder and return their paths.

    Raises:
        ContainerError: A Dockerfile is wrong.
        RunError: The folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    for name, text in definitions().items():
        write_atomic(folder / name, text)
    return [folder / name for name in NAMES.values()]


def _say() -> None:
    log = logging.getLogger("nsg_cluster.container.committed")
    for source in NAMES:
        path = CHECKOUT / "docker" / source
        for line in loss_text(convert(path, context=CHECKOUT).losses, Path("docker") / source).splitlines():
            log.warning(line)
    for path in write(CHECKOUT / "singularity"):
        log.info("wrote %s", path)


if __name__ == "__main__":
    set_up()
    _say()
