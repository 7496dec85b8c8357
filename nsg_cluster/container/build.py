"""From a recipe to an image in storage: built on the node's own disk, copied whole, then given its name.

An image lies under the digest of its content, with a manifest beside it. It is never seen half-written: it is copied
under a name that begins with a dot and renamed. A container program that writes an image straight into a group's
folder is stopped by the file system unless the user's current group is that group (``newgrp``); an ordinary copy
takes the group of the folder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsg_cluster.container.blueprint import Blueprint
from nsg_cluster.container.failure import explain
from nsg_cluster.container.inspect import read_labels
from nsg_cluster.container.manifest import Manifest, file_digest, manifests, write_manifest
from nsg_cluster.container.program import Program
from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.core.process import Child, start
from nsg_cluster.core.units import format_bytes

__all__ = ["Built", "build", "found", "scratch_folder"]

DIGITS = 12
POLL_S = 0.2
STOP_S = 10.0
DRAFT, WORK = ".new-", "nsg-image-"
# File systems that several machines share: unpacking a hundred thousand small files there takes hours, or fails.
SHARED = {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "fuse.sshfs", "ceph", "afs", "panfs"}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that was built, or found."""

    image: Path
    manifest: Manifest


def found(blueprint: Blueprint, inputs: Mapping[str, str], images: Path) -> Built | None:
    """Return the image that was built from exactly these inputs; ``None`` where there is none."""
    for image, manifest in manifests(images):
        if (manifest.name, manifest.builder, manifest.inputs) == (blueprint.name, blueprint.builder, inputs):
            return Built(image=image, manifest=manifest)
    return None


def scratch_folder(wanted: str | None, environment: Mapping[str, str]) -> Path:
    """Return the folder to build in: the one wanted, that of the job, the container program's, or the system's.

    Raises:
        MachineError: It is no folder, or several machines share it.
    """
    names = ("NSG_SCRATCH", "APPTAINER_TMPDIR", "SINGULARITY_TMPDIR", "TMPDIR")
    text = wanted or next((environment[name] for name in names if environment.get(name)), "/tmp")  # noqa: S108
    folder = Path(text).absolute()
    if not folder.is_dir():
        raise MachineError(f"{folder}: is not a folder of this machine; name one on its own disk with --scratch")
    kind = _file_system(folder)
    if kind in SHARED:
        raise MachineError(
            f"{folder}: lies on {kind}, where a build fails or takes hours; name a folder on this machine's own disk "
            f"with --scratch, such as /tmp or $PBS_LOCALDIR in a job"
        )
    return folder


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that holds a folder; empty where it is not known."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        _, point, found_kind, *_ = line.split()
        point = point.encode().decode("unicode_escape")
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found_kind
    return kind


def build(
    blueprint: Blueprint, program: Program, *, automatic: Mapping[str, str], images: Path, scratch: Path, say: Say
) -> Built:
    """Build an image and put it into a folder.

    Args:
        blueprint: What to build.
        program: What builds.
        automatic: Values of the arguments that say which sources these are.
        images: Folder for the image; made if it is not there.
        scratch: Folder on the node's own disk.
        say: Told each line that the builder prints.

    Raises:
        MachineError: The build failed; the text says why, and where its whole output is.
        RunError: The image cannot be written into the folder.
    """
    _make(images)
    _sweep(images)
    # Before the build: a file that is changed meanwhile makes the image an old one.
    inputs = blueprint.inputs()
    with _work_folder(scratch) as work:
        written = blueprint.write(work, program, automatic)
        target = work / "image.sif"
        _run(blueprint, written.argv(program, target), work, images, program=program, say=say)
        if not target.is_file():
            raise MachineError(f"{blueprint.path}: the build ended well and left no image; is this {program}?")
        labels = read_labels(program, target)
        say(f"copying {format_bytes(target.stat().st_size)} to {images}")
        about: dict[str, Any] = {"name": blueprint.name, "recipe": str(blueprint.path), "builder": blueprint.builder}
        about |= {"settings": blueprint.settings(), "inputs": inputs, "losses": written.losses}
        manifest = _put(
            target,
            images,
            {**about, "program": str(program), "labels": labels},
        )
    return Built(image=images / manifest.image, manifest=manifest)


def _make(images: Path) -> None:
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{images}: cannot be made: {error.strerror}{_advice(images)}") from None


def _advice(folder: Path) -> str:
    """Return what to do where a folder of a group cannot be written."""
    above = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    group = above.stat().st_gid if above.exists() else os.getgid()
    if group in {os.getgid(), 0}:
        return "; choose another storage with NSG_STORAGE"
    try:
        import grp

        name = grp.getgrgid(group).gr_name
    except KeyError:
        name = str(group)
    return f"; it belongs to the group {name}: run 'newgrp {name}' and try again, or choose another storage"


def _sweep(images: Path) -> None:
    """Remove what builds on this machine that were killed have left half-copied."""
    mine = f"{DRAFT}{os.uname().nodename}-"
    for draft in images.glob(f"{mine}*"):
        number = draft.name.removeprefix(mine).partition("-")[0]
        if not number.isdecimal() or not Path(f"/proc/{number}").exists():
            with contextlib.suppress(OSError):
                draft.unlink()


@contextlib.contextmanager
def _work_folder(scratch: Path) -> Iterator[Path]:
    """Make a folder for one build; those of builds that were killed are removed first."""
    for old in scratch.glob(f"{WORK}*"):
        number = old.name.removeprefix(WORK).partition("-")[0]
        if number.isdecimal() and not Path(f"/proc/{number}").exists() and old.stat().st_uid == os.getuid():
            _remove(old)
    try:
        work = Path(tempfile.mkdtemp(prefix=f"{WORK}{os.getpid()}-", dir=scratch))
    except OSError as error:
        raise MachineError(f"{scratch}: cannot be written: {error.strerror}; name another with --scratch") from None
    try:
        for name in ("tmp", "cache"):
            (work / name).mkdir()
        yield work
    finally:
        _remove(work)


def _remove(folder: Path) -> None:
    """Remove a tree, also where a root file system in it holds folders without permission to write."""

    def allow(function: Callable[[str], object], path: str, _error: object) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            function(path)

    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(path).chmod(0o700)
    shutil.rmtree(folder, onerror=allow)


def _run(blueprint: Blueprint, argv: list[str], work: Path, images: Path, *, program: Program, say: Say) -> None:
    """Run the container program to its end.

    Raises:
        MachineError: It failed.
    """
    folders = {program.setting("TMPDIR"): str(work / "tmp"), program.setting("CACHEDIR"): str(work / "cache")}
    say(f"building in {work}: {shlex.join(argv)}")
    log = work / "build.log"
    with log.open("wb") as output:
        process = start(
            argv, stdout=output, stderr=output, cwd=blueprint.context, env={**os.environ, **folders}, new_session=True
        )
        try:
            _follow(process, log, say)
        finally:
            _end(process)
    if process.returncode != 0:
        raise MachineError(_failure(blueprint, log, images, work))


def _follow(process: Child, log: Path, say: Say) -> None:
    """Pass on what a program writes into its log, line by line, until it ends."""
    with log.open(errors="replace") as file:
        rest = ""
        while True:
            over = process.poll() is not None
            rest += file.read()
            *lines, rest = rest.split("\n")
            for line in lines:
                say(line)
            if over:
                break
            time.sleep(POLL_S)
        if rest:
            say(rest)


def _end(process: Child) -> None:
    """End a program and its children, where it still runs: first kindly, so that it unmounts what it has mounted."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_S
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            time.sleep(POLL_S)


def _failure(blueprint: Blueprint, log: Path, images: Path, work: Path) -> str:
    """Return why a build failed, after its log was put where it stays."""
    why = explain(log.read_text(errors="replace"), scratch=str(work.parent))
    kept = images / f"{blueprint.name}-failed.log"
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return f"{blueprint.path}: the build failed: {why}"
    return f"{blueprint.path}: the build failed: {why} (its whole output: {kept})"


def _put(target: Path, images: Path, about: Mapping[str, Any]) -> Manifest:
    """Copy an image into a folder, under its digest, and write its manifest."""
    digest, size = file_digest(target), target.stat().st_size
    name = f"{about['name']}-{digest[:DIGITS]}.sif"
    draft = images / f"{DRAFT}{os.uname().nodename}-{os.getpid()}-{name}"
    manifest = Manifest(image=name, digest=digest, size=size, created=time.time(), host=os.uname().nodename, **about)
    try:
        try:
            _copy(target, draft)
            draft.rename(images / name)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{images / name}: cannot be written: {error.strerror}{_advice(images)}") from None
    write_manifest(images, manifest)
    return manifest


def _copy(source: Path, target: Path) -> None:
    """Copy a file to its last byte, readable for everybody and belonging to the group of its folder."""
    shutil.copyfile(source, target)
    target.chmod(0o755)
    with contextlib.suppress(OSError):
        os.chown(target, -1, target.parent.stat().st_gid)
    with target.open("rb") as file:
        os.fsync(file.fileno())
