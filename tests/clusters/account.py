"""The ordinary user whom the schedulers belong to and who submits: whoever runs the tests, or ``nsgtest`` for root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "nsgtest"
PATH = "/usr/local/bin:/usr/bin:/bin"


class Unavailable(Exception):
    """Something that this machine lacks; the test that needs it is skipped and says so."""


@dataclass(frozen=True)
class Account:
    """An ordinary user."""

    name: str
    uid: int
    gid: int

    @property
    def base(self) -> Path:
        """Folder for everything; short, because a path is written over a shorter one in a program (see `packages`)."""
        return Path(f"/tmp/nsg-{self.uid}")

    def environment(self, **more: str) -> dict[str, str]:
        """Return a small environment, as after a login."""
        home = str(self.base / "home")
        return {"HOME": home, "USER": self.name, "LOGNAME": self.name, "PATH": PATH, "LC_ALL": "C.UTF-8", **more}

    def popen(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, **more: object) -> subprocess.Popen[str]:
        """Start a program as this user."""
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        options = {"stdin": subprocess.DEVNULL, "text": True, **identity, **more}
        return subprocess.Popen(list(argv), env=dict(env), cwd=cwd, **options)  # type: ignore[call-overload,no-any-return]

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user to its end."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(argv, env=env, cwd=cwd or self.base, **pipes) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def folder(self, path: Path, mode: int = 0o755) -> Path:
        """Make a folder that belongs to this user."""
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        return path

    def write(self, path: Path, text: str, mode: int = 0o644) -> Path:
        """Write a file that belongs to this user."""
        path.write_text(text)
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        return path


def ordinary_account() -> Account:
    """Return the user to work as, with its base folder.

    Raises:
        Unavailable: There is none, and none can be made.
    """
    entry = pwd.getpwuid(os.getuid()) if os.geteuid() else _made()
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    account.folder(account.base)
    if account.base.is_symlink() or account.base.stat().st_uid != account.uid:
        raise Unavailable(f"{account.base} belongs to somebody else")
    account.folder(account.base / "home")
    return account


def _made() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        pass
    if not shutil.which("useradd"):
        raise Unavailable(f"useradd, to make the ordinary user {NAME}")
    done = subprocess.run(["useradd", "-m", "-s", "/bin/bash", NAME], capture_output=True, text=True, check=False)
    if done.returncode not in {0, 9}:  # 9: another session was faster
        raise Unavailable(f"the ordinary user {NAME}: {done.stderr.strip()}")
    return pwd.getpwnam(NAME)
