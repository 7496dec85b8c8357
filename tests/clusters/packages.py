"""Debian's packages of the schedulers and of ssh, downloaded and unpacked into folders; nothing is installed.

They find their files there through options, environment and links. One path is written in Grid Engine's programs
themselves, that of the library which keeps its spool; it is overwritten with one of the same length.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.clusters.account import Account, Unavailable

PACKAGES = (
    "gridengine-client",
    "gridengine-exec",
    "gridengine-master",
    "mariadb-server-core",
    "munge",
    "slurm-client",
    "slurmctld",
    "slurmd",
    "slurmdbd",
)
SSH_PACKAGES = ("openssh-server", "rsync")
# Needed to install them, not to run them.
SUPERFLUOUS = re.compile(r"exim4|mailx|liblockfile|libidn|runit-helper")
SPOOL_PATH = b"/usr/lib/gridengine/"
SPOOL_PROGRAMS = ("sge_qmaster", "spooldefaults.bin", "spoolinit")
MINUTES_S = 300


def unpacked(account: Account) -> Path:
    """Return the folder that holds the schedulers' files; made on the first call.

    Raises:
        Unavailable: They cannot be downloaded here.
    """
    root = account.base / "packages"
    if not (root / "complete").exists():
        _unpack(account, root, PACKAGES)
        _link(account, root)
        account.write(root / "complete", "")
    return root


def unpacked_ssh(account: Account) -> Path:
    """Return the folder that holds the files of sshd and rsync; made on the first call.

    Raises:
        Unavailable: They cannot be downloaded here.
    """
    root = account.base / "ssh-packages"
    if not (root / "complete").exists():
        _unpack(account, root, SSH_PACKAGES)
        account.write(root / "complete", "")
    return root


def _unpack(account: Account, root: Path, names: Sequence[str]) -> None:
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Unavailable(f"{program}, to download {names[0]}")
    shutil.rmtree(root, ignore_errors=True)
    debs = account.folder(account.base / f"debs-{root.name}")
    account.folder(root)
    _download(account, debs, names)
    for deb in sorted(debs.glob("*.deb")):
        _check(account, ["dpkg-deb", "-x", str(deb), str(root)], debs)
    shutil.rmtree(debs)


def _check(account: Account, argv: list[str], folder: Path) -> str:
    done = account.run(argv, env=account.environment(), cwd=folder, timeout_s=MINUTES_S)
    if done.returncode != 0:
        raise Unavailable(f"Debian's packages: {' '.join(argv[:3])}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _download(account: Account, debs: Path, names: Sequence[str]) -> None:
    """Download the packages and what they need and this machine lacks; with lists of our own where it has none."""
    lists = account.folder(account.base / f"lists-{debs.name}")
    own = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={lists}", "-o", "Debug::NoLocking=1"]
    try:
        _get(account, debs, names, [])
    except Unavailable:
        account.folder(lists / "partial")
        _check(account, ["apt-get", "-qq", *own, "update"], debs)
        _get(account, debs, names, own)
    finally:
        shutil.rmtree(lists)


def _get(account: Account, debs: Path, names: Sequence[str], options: list[str]) -> None:
    simulated = _check(account, ["apt-get", *options, "install", "-s", "--no-install-recommends", *names], debs)
    needed = set(re.findall(r"^Inst (\S+)", simulated, flags=re.MULTILINE)) | set(names)
    chosen = sorted(name for name in needed if not SUPERFLUOUS.search(name))
    _check(account, ["apt-get", "-qq", *options, "download", *chosen], debs)


def _link(account: Account, root: Path) -> None:
    """Let the programs find one another and their libraries."""
    # A daemon of Slurm knows what it is by the name it was started under.
    for name in ("slurmctld", "slurmd", "slurmstepd"):
        (root / "usr/sbin" / name).symlink_to(f"{name}-wlm")
    engine, libraries = root / "usr/lib/gridengine", next((root / "usr/lib").glob("*-linux-gnu"))
    # Grid Engine's programs look for libraries here, seen from themselves.
    (root / "usr/lib/lx-amd64").symlink_to(libraries.name)
    short = account.base / "g"
    short.unlink(missing_ok=True)
    short.symlink_to(engine)
    replacement = f"{short}/".encode().ljust(len(SPOOL_PATH), b"/")
    if len(replacement) > len(SPOOL_PATH):
        raise Unavailable(f"a shorter path than {short}, to relocate Grid Engine")
    for program in SPOOL_PROGRAMS:
        path = engine / program
        content = path.read_bytes()
        if SPOOL_PATH not in content:
            raise Unavailable(f"a Grid Engine whose {program} can be relocated")
        path.write_bytes(content.replace(SPOOL_PATH, replacement))
