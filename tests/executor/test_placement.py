"""Which piece of a node a task takes, what limits forbid, and what it costs."""

from __future__ import annotations

import pytest

from nsg_cluster.config.site import Site, load_site
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.executor.placement import Need, dialect_of, place
from nsg_cluster.scheduler.gridengine import GridEngine
from nsg_cluster.scheduler.types import Submission

HOUR_S = 3600


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSG_GROUP", "gaa50000")


def site(name: str) -> Site:
    """Return a shipped site."""
    return load_site(name)


@pytest.mark.parametrize(
    ("name", "need", "expected"),
    [
        ("abci3", Need(), ("rt_HG", 1)),
        ("abci3", Need(gpus=1), ("rt_HG", 1)),
        ("abci3", Need(gpus=0), ("rt_HC", 1)),
        ("abci3", Need(gpus=0, cpus=64), ("rt_HF", 1)),
        ("abci3", Need(gpus=2), ("rt_HF", 1)),
        ("abci3", Need(gpus=8), ("rt_HF", 1)),
        ("abci3", Need(gpus=9), ("rt_HF", 2)),
        ("abci3", Need(gpus=1, memory_bytes=200 * 10**9), ("rt_HF", 1)),
        ("abci3", Need(resource_type="rt_HF"), ("rt_HF", 1)),
        ("abci2", Need(), ("rt_G.small", 1)),
        ("abci2", Need(gpus=4), ("rt_G.large", 1)),
        ("abci2", Need(gpus=4, cpus=40), ("rt_F", 1)),
        ("abci2", Need(gpus=0), ("rt_C.small", 1)),
        ("tsubame4", Need(), ("gpu_1", 1)),
        ("tsubame4", Need(gpus=0), ("cpu_40", 1)),
        ("tsubame4", Need(gpus=8), ("node_f", 2)),
    ],
)
def test_the_cheapest_piece_that_suffices_is_taken(name: str, need: Need, expected: tuple[str, int]) -> None:
    resources = place(site(name), need).resources
    assert (resources.resource_type, resources.nodes) == expected


@pytest.mark.parametrize("name", ["abci2", "abci3", "tsubame4", "slurm"])
def test_what_is_placed_can_be_said_to_the_scheduler(name: str) -> None:
    found = site(name)
    placement = place(found, Need(gpus=1, walltime_s=HOUR_S, elements=20))
    submission = Submission(name="x", resources=placement.resources, sink="/x", group=found.group, elements=20)
    dialect = dialect_of(found)
    assert dialect.directives(submission)
    argv = dialect.submit_argv(submission, "job.sh")
    assert any("gaa50000" in word for word in argv)
    if isinstance(dialect, GridEngine):
        assert "-g" in argv
        assert not any("gaa50000" in option for option in dialect.directives(submission)), "only on the command line"


def test_amounts_are_asked_for_one_by_one_where_no_pieces_are_sold() -> None:
    resources = place(site("slurm"), Need(gpus=2, cpus=8, memory_bytes=2**30)).resources
    assert (resources.gpus, resources.cpus, resources.memory_bytes, resources.resource_type) == (2, 8, 2**30, None)


def test_the_cost_is_that_of_the_time_limit_with_the_day_of_the_rates() -> None:
    cost = place(site("abci3"), Need(gpus=1, walltime_s=2 * HOUR_S, elements=5)).cost
    assert str(cost) == "at most 15 points (rates of 2025-03-31)"
    default = place(site("abci3"), Need(gpus=16)).cost
    assert default is not None
    assert default.amount == 15.0, "two nodes for the default hour"
    assert place(site("tsubame4"), Need(walltime_s=HOUR_S)).cost is None, "no rates are known"
    assert place(site("slurm"), Need()).cost is None


def test_architectures_are_known() -> None:
    found = {name: place(site(name), Need()).architecture for name in ("abci2", "abci3", "tsubame4", "slurm")}
    assert found == {"abci2": "7.0", "abci3": "9.0", "tsubame4": "9.0", "slurm": None}
    assert place(site("abci2"), Need(resource_type="rt_AG.small")).architecture == "8.0"


@pytest.mark.parametrize(
    ("name", "need", "said"),
    [
        ("abci3", Need(walltime_s=169 * HOUR_S), ["resources.walltime: 7d1h is more than 168h"]),
        ("abci2", Need(walltime_s=73 * HOUR_S), ["resources.walltime: 3d1h is more than 72h"]),
        ("abci3", Need(elements=75_001), ["75001 tasks are more than the 75000 elements"]),
        (
            "abci3",
            Need(gpus=1024, walltime_s=200 * HOUR_S),
            ["resources.walltime", "128 nodes for 8d8h are 25600 node-hours, more than 21504"],
        ),
        ("abci3", Need(gpus=1025), ["nothing large enough for 1025 GPUs; it has rt_HF: 8 GPUs, 192 cores"]),
        ("abci3", Need(resource_type="rt_HG", gpus=2), ["nothing large enough for 2 GPUs; it has rt_HG"]),
        ("abci3", Need(resource_type="rt_F"), ["has no rt_F; it has rt_HF, rt_HG, rt_HC"]),
    ],
)
def test_what_the_site_does_not_allow_is_refused_with_all_reasons(name: str, need: Need, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        place(site(name), need)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


def test_more_parallel_tasks_than_the_site_runs_are_worth_a_word() -> None:
    assert place(site("abci3"), Need(elements=500)).notes == (
        "500 tasks may run at the same time, but the site runs 200 of a user",
    )
    assert place(site("abci3"), Need(elements=500, max_parallel=20)).notes == ()


def test_this_machine_has_no_scheduler() -> None:
    with pytest.raises(ConfigError, match="this machine itself"):
        dialect_of(site("local"))
