"""Where every random number of a training comes from.

The numbers of a step are a pure function of (seed, restart, step, purpose), so that a training that was stopped and
continued draws what the uninterrupted one draws, without any saved generator state.
"""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["Purpose", "mix", "step_generator"]

Purpose = Literal["weights", "occupancy", "batch", "background", "jitter"]
_PURPOSES: tuple[Purpose, ...] = ("weights", "occupancy", "batch", "background", "jitter")
_MASK = (1 << 64) - 1


def mix(*words: int) -> int:
    """Return 63 well mixed bits of some integers.

    Each word is absorbed by one round of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014), so that neighboring seeds and steps give unrelated streams.
    """
    state = 0
    for word in words:
        state = (state ^ (word & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1


def step_generator(
    seed: int, *, restart: int = 0, step: int = 0, purpose: Purpose, rank: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the generator of one purpose at one step of one start of a training, in one of its processes."""
    generator = torch.Generator(device)
    generator.manual_seed(mix(seed, restart, step, _PURPOSES.index(purpose) + len(_PURPOSES) * rank))
    return generator
