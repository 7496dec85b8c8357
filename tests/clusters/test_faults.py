"""`tests.clusters.faults`: its table as it is kept, and what it does on the fake PBS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clusters.account import Unavailable, ordinary_account
from tests.clusters.faults import KINDS, Outcome, markdown, tell

FOLDER = Path(__file__).parent


def kept() -> dict[str, list[Outcome]]:
    """Return the outcomes of the newest table."""
    document = json.loads((FOLDER / "faults.json").read_text())
    return {kind: [Outcome(**each) for each in outcomes] for kind, outcomes in document.items()}


def test_the_table_is_that_of_its_numbers_and_no_run_was_lost_or_submitted_twice() -> None:
    told = kept()
    assert (FOLDER / "faults.md").read_text() == markdown(told)
    assert set(told) == set(KINDS)
    assert not [each for outcomes in told.values() for each in outcomes if each.lost or each.double]
    assert len(told["slurm"]) == len(told["gridengine"]) > len(told["pbs"])


def test_no_run_of_pbs_is_lost_or_submitted_twice() -> None:
    try:
        outcomes = tell(ordinary_account(), "pbs")
    except Unavailable as error:
        pytest.skip(f"missing here: {error}")
    assert not [each for each in outcomes if each.lost or each.double]
    assert [each.fault for each in outcomes] == [each.fault for each in kept()["pbs"]]
