"""Half-precision networks, and the scaling of the loss that float16 needs.

The smallest gradients of float16 networks vanish, so the loss is multiplied by a factor before differentiation and the
gradients are divided by it after. A factor that makes a gradient overflow is halved and the step is left out; after
many good steps it is doubled (Micikevicius et al., "Mixed precision training", https://arxiv.org/abs/1710.03740).
"""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.config.schema import TrainConfig
from nsg_cluster.core.errors import MachineError, TrainingError
from nsg_cluster.models.base import Model

__all__ = ["LossScale", "use_precision"]

FIRST_FACTOR = 1024.0
STEPS_TO_DOUBLE = 1000
LARGEST_FACTOR = 2.0**24
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def use_precision(model: Model, config: TrainConfig, device: torch.device) -> None:
    """Let the networks of a model compute in the precision of the configuration.

    Raises:
        MachineError: It is float16 and there is no GPU.
    """
    if config.precision == "float16" and device.type == "cpu":
        raise MachineError(
            "train.precision: 'float16' needs a GPU and this is a CPU; set it to 'float32', which is faster here"
        )
    model.set_precision(DTYPES[config.precision])


class LossScale:
    """The factor, and how many good steps it has seen; 1 and not in use unless ``is_used``."""

    def __init__(self, *, is_used: bool) -> None:
        self.is_used = is_used
        self.factor, self.good_steps = FIRST_FACTOR if is_used else 1.0, 0

    def unscale(self, model: nn.Module, step: int) -> bool:
        """Divide all gradients by the factor; return False if one has overflowed and the step is to be left out.

        Raises:
            TrainingError: Gradients overflow with the smallest factor too.
        """
        if not self.is_used:
            return True
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        if bool(torch.stack([torch.isfinite(gradient).all() for gradient in gradients]).all()):
            torch._foreach_div_(gradients, self.factor)
            self.good_steps += 1
            if self.good_steps % STEPS_TO_DOUBLE == 0:
                self.factor = min(2 * self.factor, LARGEST_FACTOR)
            return True
        if self.factor <= 1:
            raise TrainingError(
                f"training stopped at step {step}: gradients are NaN or infinite whatever the scale of the loss; "
                "set train.precision to 'bfloat16' or 'float32'"
            )
        self.factor, self.good_steps = self.factor / 2, 0
        return False
