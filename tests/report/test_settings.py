"""What is particular about an experiment."""

from __future__ import annotations

from nsg_cluster.config.schema import Experiment
from nsg_cluster.report.settings import ABSENT, Change, changes, differing, flattened

MINIMAL = {"name": "a", "data": {"kind": "blender", "root": "/x"}, "model": {"kind": "instant_ngp"}}


def test_changes_are_exactly_what_differs_from_the_defaults_and_what_has_none() -> None:
    given = MINIMAL | {
        "train": {"steps": 2000, "optimizer": {"betas": [0.9, 0.95]}, "schedule": {"kind": "cosine"}},
        "sweep": {"zip": {"seed": [1, 2]}},
    }
    assert changes(Experiment.model_validate(given)) == {
        "name": Change("a", ABSENT),
        "data.kind": Change("blender", ABSENT),
        "data.root": Change("/x", ABSENT),
        "model.kind": Change("instant_ngp", ABSENT),
        "train.optimizer.betas": Change([0.9, 0.95], [0.9, 0.99]),
        "train.schedule.kind": Change("cosine", "exponential"),
        "sweep.zip": Change({"seed": [1, 2]}, None),
    }


def test_settings_that_only_some_have_differ_and_lists_are_one_value() -> None:
    flats = [flattened({"a": {"b": 1, "c": [1, 2]}, "d": {}}), flattened({"a": {"b": 1, "c": [1, 3]}, "e": None})]
    assert flats[0] == {"a.b": 1, "a.c": [1, 2], "d": {}}
    assert differing(flats) == ["a.c", "d", "e"]
    assert differing(flats[:1]) == differing([]) == []
