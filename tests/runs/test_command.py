"""The program of a task: `nsg_cluster.runs.command`."""

from __future__ import annotations

from nsg_cluster.config.site import Site
from nsg_cluster.runs.command import stage_command
from nsg_cluster.runs.submit import make_plan, orders_of
from nsg_cluster.tasks.orders import HERE
from tests.contract.runs import Bench, bench

__all__ = ["bench"]


def test_without_a_container_this_very_python_computes(bench: Bench) -> None:
    plan = make_plan(bench.write(), ["resources={continuations: 4}"])
    assert stage_command(Site(name="here"), plan.experiment) == HERE
    orders = orders_of(plan)
    assert (orders.command, orders.after, orders.continuations) == (HERE, (), 4)
