"""Two bases without an image registry: one of Busybox alone, and a small Debian.

Each is there as a root file system in a tar archive, as an image of Apptainer, and in Buildah's storage as
``localhost/tiny`` and ``localhost/debian``.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.clusters.account import Unavailable
from tests.containers.engines import SYSTEM_PATH, Engines
from tests.containers.packages import main_archive, run

TINY_USERS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n",
}
TINY_FOLDERS = "bin dev etc home home/app opt proc root run sys tmp usr usr/bin var var/tmp"
CODENAME = "bookworm"
RECIPE = "2"
"""Raised when a base changes, so that older ones are made anew."""
WORKSHOP = ("ca-certificates", "g++", "libgomp1", "python3", "python3-dev", "python3-venv")
BASE_DOCKERFILE = 'FROM scratch\nADD {name}.tar /\nENV PATH={path}\nCMD ["/bin/sh"]\n'


@dataclass(frozen=True)
class Base:
    """A base image, in each form.

    Attributes:
        name: In Buildah's storage, and of the files.
        tar: Root file system.
        sif: Image of Apptainer.
    """

    name: str
    tar: Path
    sif: Path


def tiny(engines: Engines) -> Base:
    """Return the base that holds Busybox and the users root, app (1000) and nobody; made on the first call."""
    return _made(engines, "tiny", _tiny_tree)


def debian(engines: Engines) -> Base:
    """Return a minimal Debian; made on the first call, in about 40 s.

    Raises:
        Unavailable: Its packages cannot be downloaded here.
    """
    return _made(engines, "debian", _debian_tree)


def workshop(engines: Engines) -> Base:
    """Return a Debian with what `docker/Dockerfile.cpu` installs from Debian; made on the first call, in about 90 s.

    Raises:
        Unavailable: Its packages cannot be downloaded here.
    """
    return _made(engines, "workshop", partial(_debian_tree, include=WORKSHOP), _keep)


def _made(
    engines: Engines,
    name: str,
    make_tree: Callable[[Engines, Path, Path], None],
    use: Callable[[Engines, Base], None] | None = None,
) -> Base:
    folder = engines.account.folder(engines.root / "bases")
    base = Base(name, folder / f"{name}.tar", folder / f"{name}.sif")
    with (engines.account.base / f"base-{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = folder / f"{name}.complete"
        if not marker.exists() or marker.read_text() != RECIPE:
            tree = engines.account.folder(folder / name)
            make_tree(engines, tree, base.tar)
            engines.build(base.sif, tree, cwd=folder)
            engines.check("rm", "-rf", str(tree))
            (use or _import)(engines, base)
            engines.account.write(marker, RECIPE)
    return base


def _tiny_tree(engines: Engines, tree: Path, tar: Path) -> None:
    account = engines.account
    for name in TINY_FOLDERS.split():
        account.folder(tree / name)
    busybox = engines.root / "bin/busybox"
    shutil.copy(busybox, tree / "bin/busybox")
    for applet in run(account, [str(busybox), "--list"], tree).split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    for name, text in TINY_USERS.items():
        account.write(tree / name, text)
    (tree / "tmp").chmod(0o1777)
    (tree / "root").chmod(0o700)
    engines.check("tar", "-C", tree, "--owner=0", "--group=0", "--sort=name", "-cf", tar, ".")


def _debian_tree(engines: Engines, tree: Path, tar: Path, include: Sequence[str] = ()) -> None:
    source = f"deb {main_archive(engines.account)} {CODENAME} main"
    options = ["--mode=unshare", "--variant=minbase", '--aptopt=Acquire::Languages "none"']
    options += [f"--include={','.join(include)}"] if include else []
    temporary = str(engines.account.folder(engines.root / "tmp"))
    done = engines.run("mmdebstrap", *options, CODENAME, tar, source, cwd=engines.root, TMPDIR=temporary)
    if done.returncode != 0:
        raise Unavailable(f"a Debian made by mmdebstrap: {done.stderr.strip()[-300:]}")
    engines.check("tar", "-C", tree, "--exclude=./dev/*", "-xpf", tar)


def _keep(_engines: Engines, base: Base) -> None:
    """Keep the image alone."""
    base.tar.unlink()


def _import(engines: Engines, base: Base) -> None:
    folder = engines.work()
    engines.account.write(folder / "Dockerfile", BASE_DOCKERFILE.format(name=base.name, path=SYSTEM_PATH))
    options = ("--isolation=chroot", "--squash", "--tag", f"localhost/{base.name}")
    ignore = f"--ignorefile={engines.account.write(folder / 'ignore', '')}"
    done = engines.buildah("build", *options, ignore, "-f", folder / "Dockerfile", base.tar.parent, cwd=folder)
    if done.returncode != 0:
        raise Unavailable(f"a Buildah that imports {base.tar}: {done.stderr.strip()[-300:]}")
