"""The memory estimate, as far as it is arithmetic; a training compares it with what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from nsg_cluster.config.memory import estimate_memory, hash_parameters
from nsg_cluster.config.schema import Experiment, HashGridConfig
from tests.training.tiny import tiny

BLENDER = {"kind": "blender", "root": "/x"}


def estimate(**changes: Any) -> tuple[int, int]:
    """Return the bytes of weights and of samples."""
    found = estimate_memory(tiny(**changes))
    return found.weights, found.samples


def test_tables_are_counted_as_they_are_laid_out() -> None:
    encode = pytest.importorskip("nsg_cluster.ops.encode", reason="needs torch")
    for levels, log2, base, finest in ((16, 19, 16, 1024), (12, 15, 16, 256), (5, 17, 16, 128), (1, 10, 4, 4)):
        sizes = {"levels": levels, "log2_table_size": log2, "base_resolution": base, "max_resolution": finest}
        layout = encode.HashGridLayout(features=2, **sizes)
        assert hash_parameters(HashGridConfig(**sizes)) == pytest.approx(2 * layout.num_entries, rel=0.01)


def test_more_of_anything_takes_more() -> None:
    weights, samples = estimate()
    assert estimate(train={"samples": 1 << 16})[1] > 4 * samples
    assert estimate(train={"ema_decay": 0.9})[0] == pytest.approx(weights * 5 / 4)
    assert estimate(train={"optimizer": {"lookahead": {}}})[0] == pytest.approx(weights * 5 / 4)
    assert estimate(model={"hash_grid": {"log2_table_size": 19}})[0] > 5 * weights
    assert estimate(model={"hidden_width": 128})[1] > samples
    assert estimate(model={"sampler": {"kind": "proposal"}})[0] > 5 * weights, "the proposals have grids of their own"


def test_a_sentence_names_the_parts_and_what_is_not_known() -> None:
    known = estimate_memory(tiny())
    assert known.images == 7 * 16 * 16 * 4 and known.sentence().endswith("images 7.0 KiB)")
    unknown = estimate_memory(Experiment.model_validate(tiny().model_dump() | {"data": BLENDER}))
    assert unknown.images is None and "images come on top" in unknown.sentence()
    read = estimate_memory(Experiment.model_validate(tiny().model_dump() | {"data": BLENDER}), image_bytes=1 << 20)
    assert read.total == unknown.total + (1 << 20)
