"""Random numbers that depend on seed, restart, step and purpose alone."""

from __future__ import annotations

import itertools

import torch

from nsg_cluster.training.generators import Purpose, mix, step_generator


def test_streams_depend_on_every_word_and_on_nothing_else() -> None:
    purposes: list[Purpose] = ["batch", "jitter"]
    keys = list(itertools.product((0, 1), (0, 1), (0, 1, 2), purposes))

    def draw(seed: int, restart: int, step: int, purpose: Purpose) -> tuple[float, ...]:
        generator = step_generator(seed, restart=restart, step=step, purpose=purpose)
        return tuple(torch.rand(4, generator=generator).tolist())

    assert len({draw(*key) for key in keys}) == len(keys)
    assert [draw(*key) for key in keys] == [draw(*key) for key in keys]


def test_neighboring_words_give_unrelated_bits() -> None:
    codes = [mix(7, 0, step) for step in range(1000)]
    assert all(0 <= code < 1 << 63 for code in codes)
    flips = [bin(a ^ b).count("1") for a, b in itertools.pairwise(codes)]
    assert 30 < sum(flips) / len(flips) < 33, "half of the 63 bits change from one step to the next"
    assert mix(1, 2) != mix(2, 1)
