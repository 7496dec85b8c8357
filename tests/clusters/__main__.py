"""Start and stop the schedulers by hand: ``python -m tests.clusters up [slurm|gridengine|pbs] | status | down``."""

from __future__ import annotations

import sys
import time

from tests.clusters.account import Unavailable, ordinary_account
from tests.clusters.cluster import Cluster
from tests.clusters.gridengine import GridEngineCluster
from tests.clusters.packages import unpacked
from tests.clusters.pbs import FakePbs
from tests.clusters.sharing import keep
from tests.clusters.slurm import SlurmCluster

KINDS: dict[str, type[Cluster]] = {kind.name: kind for kind in (SlurmCluster, GridEngineCluster, FakePbs)}


def main(arguments: list[str]) -> int:
    """Do what the arguments say."""
    verb, names = (arguments or ["status"])[0], arguments[1:] or list(KINDS)
    if verb not in {"up", "down", "status"} or not set(names) <= set(KINDS):
        print(__doc__)
        return 2
    try:
        account = ordinary_account()
        began = time.monotonic()
        packages = unpacked(account)
        if verb == "up":
            print(f"packages in {packages} ({time.monotonic() - began:.1f} s)")
        for name in names:
            _do(verb, KINDS[name](account, packages))
    except Unavailable as error:
        print(f"missing: {error}", file=sys.stderr)
        return 1
    return 0


def _do(verb: str, cluster: Cluster) -> None:
    began = time.monotonic()
    if verb == "down":
        keep(cluster, kept=False)
        cluster.down()
    elif verb == "up":
        if not cluster.is_up():
            cluster.up()
        keep(cluster, kept=True)
    state = "up" if cluster.is_up() else "down"
    print(f"{cluster.name}: {state} ({time.monotonic() - began:.1f} s)")
    if state == "up":
        print(f"  as {cluster.account.name}: export", *(f"{name}={value}" for name, value in cluster.env.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
