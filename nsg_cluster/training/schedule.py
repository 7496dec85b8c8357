"""Learning-rate curves as functions of the step.

``step`` counts from 0; ``steps`` is the length of the whole training; a *factor* multiplies the peak rate.
"""

from __future__ import annotations

import math

from nsg_cluster.config.schema import ScheduleConfig

__all__ = ["learning_rate_factor"]


def learning_rate_factor(config: ScheduleConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step as a fraction of the peak rate.

    The rate rises over ``warmup_steps`` (the first step already moves), stays at the peak or falls from it: to
    ``final_factor`` at the last step, or by a factor at each milestone. A warm-up longer than the training is all there
    is. With a delay the curve begins at the first step, and rises by ``multinerf``'s ``learning_rate_decay``.
    """
    if config.warmup == "delay":
        share = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
        rise = config.warmup_from + (1 - config.warmup_from) * math.sin(0.5 * math.pi * share)
        return rise * _curve(config, step, begin=0, steps=steps)
    if step < config.warmup_steps:
        return config.warmup_from + (1 - config.warmup_from) * (step + 1) / config.warmup_steps
    return _curve(config, step, begin=config.warmup_steps, steps=steps)


def _curve(config: ScheduleConfig, step: int, *, begin: int, steps: int) -> float:
    """Return the factor of a step after the warm-up, or beside it."""
    progress = min(1.0, (step - begin) / max(1, (config.decay_steps or steps) - 1 - begin))
    if config.kind == "constant":
        return 1.0
    if config.kind == "milestones":
        return float(config.milestone_factor ** sum(step >= milestone * steps for milestone in config.milestones))
    if config.kind == "cosine":
        return config.final_factor + (1 - config.final_factor) * (1 + math.cos(math.pi * progress)) / 2
    if config.kind == "polynomial":
        return float(max(0.0, 1 - progress) ** config.power)
    return float(config.final_factor**progress)
