"""Make Apptainer, Buildah and the bases, and say how to use them: ``python -m tests.containers``."""

from __future__ import annotations

import shlex
import sys
import time

from tests.clusters.account import Unavailable
from tests.containers import bases
from tests.containers.fixtures import made_engines


def main() -> int:
    """Do it."""
    began = time.monotonic()
    try:
        engines = made_engines()
        print(f"apptainer, buildah: {engines.root} ({time.monotonic() - began:.1f} s)")
        for make in (bases.tiny, bases.debian):
            base = make(engines)
            print(f"{base.name}: {base.sif}, {base.tar} ({time.monotonic() - began:.1f} s)")
    except Unavailable as error:
        print(f"missing: {error}", file=sys.stderr)
        return 1
    assignments = (f"{name}={shlex.quote(value)}" for name, value in engines.env.items())
    print(f"as {engines.account.name}: env -i", *assignments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
