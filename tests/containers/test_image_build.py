"""``launch.py image build`` with the real Apptainer, as an ordinary user."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.clusters.fixtures import Get
from tests.containers.bases import Base
from tests.containers.engines import Engines
from tests.containers.launcher import Launcher

DOCKERFILE = """\
FROM scratch AS tiny
FROM busybox
ARG GIT_COMMIT=unknown
LABEL revision=$GIT_COMMIT nsg_cluster.architectures="80;90+PTX"
COPY greeting /greeting
RUN cat /greeting && id -u > /built-by
HEALTHCHECK CMD true
CMD ["cat", "/greeting"]
"""


@pytest.fixture
def launcher(engines: Engines) -> Launcher:
    """Return a launcher with a Dockerfile in its folder."""
    launcher = Launcher(engines, engines.work())
    launcher.write("docker/Dockerfile", DOCKERFILE)
    launcher.write("greeting", "hello\n")
    return launcher


def build(launcher: Launcher, base: Base, *more: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``image build`` on a base of this machine."""
    return launcher.run("image", "build", "--base", f"busybox={base.sif}", "--name", "greeter", *more, **env)


def test_a_dockerfile_becomes_an_image_under_its_digest_with_a_manifest_and_is_not_built_twice(
    launcher: Launcher, tiny: Base
) -> None:
    done = build(launcher, tiny)
    assert done.returncode == 0, done.stderr
    (image,) = launcher.images.glob("*.sif")
    assert done.stdout.splitlines()[-1] == f"built {image}"
    assert "HEALTHCHECK" in done.stdout and "docker/Dockerfile:7:" in done.stdout
    manifest = json.loads(image.with_suffix(".json").read_text())
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert (manifest["digest"], image.name) == (digest, f"greeter-{digest[:12]}.sif")
    assert manifest["labels"]["nsg_cluster.architectures"] == "80;90+PTX"
    assert "file greeting" in manifest["inputs"] and "base busybox" in manifest["inputs"]
    assert launcher.engines.check("apptainer", "run", image) == "hello\n"
    assert launcher.engines.check("apptainer", "exec", image, "cat", "/built-by") == "0\n"
    assert not list((launcher.folder / "scratch").iterdir())

    # There is no container program now, so that nothing can have been built.
    again = build(launcher, tiny, PATH="/usr/bin:/bin")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, f"up to date: {image}")
    shown = launcher.check("image", "show", "docker/Dockerfile")["images"]
    assert [entry["image"] for entry in shown] == [str(image)]
    launcher.write("greeting", "good day\n")
    assert build(launcher, tiny, PATH="/usr/bin:/bin").returncode == 2
    assert build(launcher, tiny).returncode == 0 and len(list(launcher.images.glob("*.sif"))) == 2


def test_an_archive_of_docker_and_a_definition_are_built_as_well(
    launcher: Launcher, engines: Engines, tiny: Base
) -> None:
    archive = launcher.folder / "saved.tar"
    pushed = engines.buildah("push", "localhost/tiny", f"docker-archive:{archive}")
    assert pushed.returncode == 0, pushed.stderr
    definition = launcher.write("a.def", f"Bootstrap: localimage\nFrom: {tiny.sif}\n%post\n  echo 1 > /one\n")
    for recipe, builder in ((archive, "docker-archive"), (definition, "file")):
        found = launcher.check("image", "build", recipe)
        assert (found["built"], found["builder"]) == (True, builder)
        assert engines.check("apptainer", "exec", found["image"], "echo", "runs") == "runs\n"
        assert not launcher.check("image", "build", recipe)["built"]


def test_a_build_that_is_killed_leaves_no_image_and_the_next_one_clears_up(launcher: Launcher, tiny: Base) -> None:
    launcher.write("docker/Dockerfile", "FROM busybox\nRUN touch /begun; sleep 60\n")
    argv = launcher.argv("image", "build", "--base", f"busybox={tiny.sif}", "--name", "slow")
    scratch = launcher.folder / "scratch"
    process = launcher.engines.account.popen(argv, env=launcher.env, cwd=launcher.folder, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(scratch.glob("nsg-image-*/tmp/build-temp-*/rootfs/begun")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    children = [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for child in children:
        os.killpg(child, signal.SIGKILL)
    assert not list(launcher.images.iterdir()) and list(scratch.iterdir())
    launcher.write("docker/Dockerfile", "FROM busybox\nRUN touch /begun\n")
    done = launcher.run("image", "build", "--base", f"busybox={tiny.sif}", "--name", "slow")
    assert done.returncode == 0, done.stderr
    assert not list(scratch.iterdir()) and len(list(launcher.images.glob("*.sif"))) == 1


@pytest.mark.parametrize("kind", ["gridengine"])
def test_a_site_builds_an_image_as_a_job(launcher: Launcher, tiny: Base, clusters: Get, kind: str) -> None:
    cluster = clusters(kind)
    path = f"{cluster.bin}:{launcher.env['PATH']}"
    site = launcher.write("site.yaml", f"name: there\nscheduler: {kind}\nenvironment: {{PATH: '{path}'}}\n")
    env = {**launcher.env, **cluster.env, "PATH": path}
    done = build(launcher, tiny, "--site", site, "--as-job", "--json", **env)
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    deadline = time.monotonic() + 120
    while not list(launcher.images.glob("*.json")):
        assert time.monotonic() < deadline, Path(job["log"]).read_text() if Path(job["log"]).exists() else job
        time.sleep(0.5)
    (image,) = launcher.images.glob("*.sif")
    assert launcher.engines.check("apptainer", "run", image) == "hello\n"
    assert "RUN cat /greeting" in Path(job["log"]).read_text()
    local = build(launcher, tiny, "--as-job")
    assert "site local: starts no jobs; build right here, without --as-job" in said(local)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence of a failure."""
    assert done.returncode == 2 and "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_what_goes_wrong_is_one_sentence_and_no_image(launcher: Launcher, tiny: Base) -> None:
    assert "no program 'apptainer' or 'singularity' on PATH" in said(build(launcher, tiny, PATH="/usr/bin:/bin"))
    shared = said(build(launcher, tiny, "--scratch", launcher.folder / "nowhere"))
    assert "nowhere: is not a folder of this machine; name one on its own disk with --scratch" in shared
    damaged = launcher.write("damaged.sif", "\0" * 5000)
    sentence = said(launcher.run("image", "build", "--base", f"busybox={damaged}"))
    assert "the build failed: an image is damaged or is none" in sentence
    cut = launcher.folder / "cut.sif"
    launcher.engines.check("cp", tiny.sif, cut)
    launcher.engines.check("truncate", "-s", "300000", cut)
    assert "an image is damaged or is none" in said(launcher.run("image", "build", "--base", f"busybox={cut}"))
    launcher.write("docker/Dockerfile", "FROM busybox\nRUN echo now && false\n")
    sentence = said(build(launcher, tiny))
    assert "the build failed: Dockerfile:2: failed with exit status 1: now (its whole output: " in sentence
    log = Path(sentence.rpartition("whole output: ")[2].rstrip(")"))
    assert "RUN echo now" in log.read_text()
    launcher.write("docker/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=a true\n")
    assert "docker/Dockerfile:2: " in said(build(launcher, tiny))
    assert not list(launcher.images.glob("*.sif"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_said_and_leaves_no_image(launcher: Launcher, tiny: Base) -> None:
    small = launcher.engines.account.folder(launcher.folder / "small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", small], check=True)
    try:
        sentence = said(build(launcher, tiny, "--scratch", small))
        assert f"the disk is full: make room in {small} and in the image's folder" in sentence
        assert not list(small.iterdir())
        launcher.engines.account.folder(small / "storage")
        sentence = said(build(launcher, tiny, NSG_STORAGE=str(small / "storage")))
        assert "cannot be written: No space left on device" in sentence
        assert not list((small / "storage/images").glob("*.sif"))
        assert not list((small / "storage/images").glob(".new-*"))
    finally:
        subprocess.run(["umount", small], check=True)
