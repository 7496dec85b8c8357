"""Apptainer and Buildah of Debian's unstable suite, with the C library that they want, and what both call.

The suite's C library is newer than that of the machine, which is left alone: the programs are given a loader and
libraries of their own (``patchelf``). The address of the suite is that of the machine's own apt sources.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.clusters.account import Account, Unavailable

# Of the unstable suite.
NEWER = (
    "apptainer",
    "buildah",
    "golang-github-containers-common",
    "golang-github-containers-image",
    "libassuan9",
    "libaudit1",
    "libc6",
    "libcap-ng0",
    "libgpg-error0",
    "libgpgme45",
    "libpcre2-8-0",
    "libseccomp2",
    "libselinux1",
    "libsqlite3-0",
    "libsubid6",
    "netavark",
)
# Of the machine's own release.
OWN = (
    "busybox-static",
    "fakeroot",
    "fuse-overlayfs",
    "libfakeroot",
    "libfuse3-3",
    "liblzo2-2",
    "libsquashfuse0",
    "libsubid4",
    "mmdebstrap",
    "patchelf",
    "squashfs-tools",
    "squashfuse",
    "uidmap",
)
LIBRARIES = "usr/lib/x86_64-linux-gnu"
PATCHED = ("usr/bin/apptainer", f"{LIBRARIES}/apptainer/bin/starter", "usr/bin/buildah", "usr/lib/podman/netavark")
# Of the machine's own release, with libraries beside them.
HELPERS = ("mksquashfs", "unsquashfs", "squashfuse", "squashfuse_ll", "fuse-overlayfs", "newuidmap", "newgidmap")
NEEDED = ("apt-get", "dpkg-deb", "tar")
MINUTES_S = 300
RECIPE = "1"
"""Raised when what is unpacked changes, so that older folders are made anew."""


def programs(account: Account) -> Path:
    """Return the folder that holds the programs (``usr/bin``, ``usr/sbin``); made on the first call.

    Raises:
        Unavailable: They cannot be downloaded here, or do not run.
    """
    root = account.folder(account.base / "containers")
    marker = root / "complete"
    with (account.base / "containers.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.is_file() or marker.read_text() != RECIPE:
            shutil.rmtree(root)
            account.folder(root)
            _make(account, root)
            account.write(marker, RECIPE)
        _grant(account, root)
    return root


def _make(account: Account, root: Path) -> None:
    if platform.machine() != "x86_64":
        raise Unavailable(f"a recipe to unpack Apptainer on {platform.machine()}")
    for program in NEEDED:
        if not shutil.which(program):
            raise Unavailable(f"{program}, to download Apptainer")
    newer, own = account.folder(root / "debs-newer"), account.folder(root / "debs-own")
    _download(account, newer, NEWER, f"deb {main_archive(account)} sid main\n")
    _download(account, own, OWN, None)
    # The newer libraries stay apart, where only the patched programs look for them.
    libraries = account.folder(root / "newer")
    for deb in sorted(newer.glob("lib*.deb")):
        run(account, ["dpkg-deb", "-x", str(deb), str(libraries)], newer)
    for deb in sorted([*own.glob("*.deb"), *newer.glob("[!l]*.deb")]):
        run(account, ["dpkg-deb", "-x", str(deb), str(root)], own)
    shutil.rmtree(newer)
    shutil.rmtree(own)
    _patch(account, root, libraries)
    (root / "usr/bin/singularity").unlink(missing_ok=True)
    (root / "usr/bin/singularity").symlink_to("apptainer")
    _relocate(root)


def _relocate(root: Path) -> None:
    """Lay Apptainer out as it expects: it derives its folders from where it and its starter lie."""
    (root / "usr/libexec").mkdir(exist_ok=True)
    shutil.move(root / LIBRARIES / "apptainer", root / "usr/libexec/apptainer")
    (root / LIBRARIES / "apptainer").symlink_to("../../libexec/apptainer")
    for name in ("etc", "var"):
        (root / "usr" / name).symlink_to(f"../{name}")
    (root / "var/lib/apptainer/mnt/session").mkdir(parents=True, exist_ok=True)


def main_archive(account: Account) -> str:
    """Return the address of Debian's archive, and the option that names its keys, as this machine's apt has them."""
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    answer = run(
        account, ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(CREATED_BY)|$(COMPONENT)|$(REPO_URI)"], Path("/")
    )
    rows = [line.split("|") for line in answer.splitlines()]
    found = [uri for *_, kind, component, uri in rows if kind == "Packages" and component == "main" and "debian" in uri]
    archives = [uri for uri in found if "security" not in uri]
    if not archives or not keyring.is_file():
        raise Unavailable("a Debian archive among this machine's apt sources, to download Apptainer from")
    return f"[signed-by={keyring}] {archives[0]}"


def _download(account: Account, folder: Path, names: Sequence[str], source: str | None) -> None:
    """Download packages by lists of our own; from the machine's sources, or from the one given."""
    lists = account.folder(account.base / "lists-containers")
    account.folder(lists / "partial")
    options = [f"Dir::State::lists={lists}", f"Dir::Cache={lists}", "Debug::NoLocking=1", "Acquire::Languages=none"]
    if source:
        account.write(folder / "sources.list", source)
        options += [f"Dir::Etc::sourcelist={folder / 'sources.list'}", "Dir::Etc::sourceparts=/dev/null"]
    own = [word for option in options for word in ("-o", option)]
    try:
        run(account, ["apt-get", "-qq", *own, "update"], folder)
        run(account, ["apt-get", "-qq", *own, "download", *names], folder)
    finally:
        shutil.rmtree(lists)


def _patch(account: Account, root: Path, libraries: Path) -> None:
    """Give the newer programs the newer loader and libraries, and the machine's for what is not there."""
    newer, patchelf = libraries / LIBRARIES, str(root / "usr/bin/patchelf")
    search = f"{newer}:/{LIBRARIES}:/lib/x86_64-linux-gnu"
    loader = str((newer / "ld-linux-x86-64.so.2").resolve())
    for program in PATCHED:
        argv = [patchelf, "--set-interpreter", loader, "--force-rpath", "--set-rpath", search, str(root / program)]
        run(account, argv, root)
    for library in newer.glob("*.so*"):
        if library.name.split(".so")[0] not in {"libc", "ld-linux-x86-64"} and not library.is_symlink():
            run(account, [patchelf, "--force-rpath", "--set-rpath", search, str(library)], root)
    for name in HELPERS:
        argv = [patchelf, "--force-rpath", "--set-rpath", str(root / LIBRARIES), str(root / "usr/bin" / name)]
        run(account, argv, root)


def _grant(account: Account, root: Path) -> None:
    """Give the user what an administrator gives; without it (not root here) a build knows a single user number."""
    if os.geteuid() != 0:
        return
    for name in ("newuidmap", "newgidmap"):
        path = root / "usr/bin" / name
        os.chown(path, 0, 0)
        path.chmod(0o4755)
    for table, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        if f"{account.name}:" not in _text(table):
            first = max([100_000, *(int(a) + int(n) for _, a, n in _ranges(table))])
            argv = ["usermod", option, f"{first}-{first + 65535}", account.name]
            Account("root", 0, 0).run(argv, env=account.environment(PATH=ROOT_PATH), cwd=Path("/"))
    fuse = Path("/dev/fuse")
    if fuse.exists():
        fuse.chmod(0o666)


ROOT_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _ranges(path: str) -> list[list[str]]:
    return [line.split(":") for line in _text(path).splitlines() if line.count(":") == 2]


def run(account: Account, argv: list[str], folder: Path) -> str:
    """Run a step of the set-up and return what it printed.

    Raises:
        Unavailable: It failed.
    """
    done = account.run(argv, env=account.environment(), cwd=folder, timeout_s=MINUTES_S)
    if done.returncode != 0:
        raise Unavailable(f"containers: {' '.join(argv[:4])}: {done.stderr.strip()[-300:]}")
    return done.stdout
