"""Apptainer builds and runs images as an ordinary user here, and Buildah builds Dockerfiles."""

from __future__ import annotations

import os

from tests.containers.bases import Base
from tests.containers.engines import Engines


def test_apptainer_builds_a_definition_and_runs_the_image_as_an_ordinary_user(engines: Engines, tiny: Base) -> None:
    folder = engines.work()
    text = f"Bootstrap: localimage\nFrom: {tiny.sif}\n%post\n  id -u > /who\n%runscript\n  cat /who; id -u\n"
    definition = engines.account.write(folder / "a.def", text)
    engines.build(folder / "a.sif", definition, cwd=folder)
    assert engines.check("apptainer", "run", folder / "a.sif").split() == ["0", str(engines.account.uid)]
    assert engines.account.uid != 0 or os.geteuid() == 0


def test_buildah_builds_a_dockerfile_from_the_same_base(engines: Engines, tiny: Base) -> None:
    folder = engines.work()
    dockerfile = engines.account.write(folder / "Dockerfile", "FROM localhost/tiny\nRUN <<E\necho built\nE\n")
    done = engines.buildah("build", "--isolation=chroot", "-f", dockerfile, folder)
    assert done.returncode == 0, done.stderr
    assert "built" in done.stdout.splitlines()
