"""A Python that the ordinary user may run, with this checkout, what it needs, and its plugins.

Root's own interpreter may lie where nobody else can go; then one of the same version from ``/usr/bin`` takes its place.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.clusters.account import Account, Unavailable

CHECKOUT = Path(__file__).resolve().parents[2]
PROBE = "import submitit, pydantic, nsg_cluster.executor.job; from submitit.core.plugins import get_executors; "


def entry_points() -> str:
    """Return the ``entry_points.txt`` that an installation of this checkout has."""
    text = (CHECKOUT / "pyproject.toml").read_text()
    table = text.split("[project.entry-points.submitit]\n")[1].split("\n\n")[0]
    return "[submitit]\n" + re.sub(r'^"?(\w+) ?"? = "(.*)"$', r"\1 = \2", table, flags=re.MULTILINE) + "\n"


def register(folder: Path) -> Path:
    """Make a folder which, on the search path, registers the plugins as an installation of this checkout does."""
    metadata = folder / "nsg_cluster-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nsg-cluster\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(entry_points())
    return folder


def interpreter(account: Account) -> Path:
    """Return the Python; made on the first call.

    Raises:
        Unavailable: There is none that the user may run, or the checkout cannot be read by it.
    """
    # One for each checkout: the tests of several may run at the same time.
    home = account.base / f"venv-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}"
    python = home / "bin/python"
    made_for = f"{CHECKOUT}\n{sys.prefix}\n{entry_points()}"
    with (account.base / "venv.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made_for").is_file() or (home / "made_for").read_text() != made_for:
            shutil.rmtree(home, ignore_errors=True)
            _make(account, home)
            account.write(home / "made_for", made_for)
    return python


def _make(account: Account, home: Path) -> None:
    python = home / "bin/python"
    found = [sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"]
    for base in found:
        try:
            done = account.run([base, "-m", "venv", "--without-pip", str(home)], env=account.environment())
        except OSError:
            continue
        if done.returncode == 0:
            break
    else:
        raise Unavailable(f"a Python that {account.name} may run: neither {' nor '.join(found)}")
    packages = next(home.glob("lib/python3*/site-packages"))
    plugins = register(home / "plugins")
    paths = sysconfig.get_paths()
    site = [f"import site; site.addsitedir({paths[kind]!r})" for kind in ("purelib", "platlib")]
    account.write(packages / "checkout.pth", "\n".join([str(CHECKOUT), str(plugins), *site]) + "\n")
    done = account.run([str(python), "-c", f"{PROBE}assert 'pbs' in get_executors()"], env=account.environment())
    if done.returncode != 0:
        raise Unavailable(f"a checkout at {CHECKOUT} that {account.name} may read: {done.stderr.strip()[-200:]}")
