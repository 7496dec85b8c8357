"""What stops a training that cannot succeed: values that are not finite, and dead starts.

A start is *dead* when every ray is empty, or every ray is opaque, and the images are no better explained than by the
background alone or by one color: gradients have vanished and no further step will help.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.core.errors import TrainingError
from nsg_cluster.training.objective import Score

__all__ = ["Vitals", "check_finite", "death", "measure_vitals"]

_EMPTY = 0.02
_AGREES = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What tells a living start from a dead one, each a mean over one batch."""

    opacity: float
    """Rendered opacity."""
    alpha: float
    """True alpha; 1 where the images have none."""
    error: float
    """Squared error of the rendering."""
    error_of_nothing: float
    """Squared error of the background alone."""
    error_of_one_color: float
    """Squared error of the best single color."""


def measure_vitals(
    opacity: Float[Tensor, " rays"],
    score: Score,
    *,
    truth: Float[Tensor, "rays 3"],
    alpha: Float[Tensor, " rays"],
    background: Float[Tensor, "rays 3"],
) -> Vitals:
    """Return the vital signs of a rendered batch."""
    return Vitals(
        opacity=float(opacity.mean()),
        alpha=float(alpha.mean()),
        error=float(score.squared_error),
        error_of_nothing=float((truth - background).square().mean()),
        error_of_one_color=float((truth - truth.mean(dim=0)).square().mean()),
    )


def death(vitals: Vitals) -> str | None:
    """Return what is dead about a start, or None.

    Opacity near 0 or 1 everywhere is legitimate where the truth is so, or where the pictures are matched all the
    same (an object of a few pixels, a scene that fills the image). So the error has the last word: it must be as bad
    as that of the trivial picture, and where opacity contradicts the true alpha, anywhere near as bad.
    """
    if vitals.opacity < _EMPTY:
        what, trivial = "empty", vitals.error_of_nothing
    elif vitals.opacity > 1 - _EMPTY:
        what, trivial = "opaque", vitals.error_of_one_color
    else:
        return None
    share = 0.95 if abs(vitals.opacity - vitals.alpha) < _AGREES else 0.7
    if vitals.error < share * trivial or trivial == 0:
        return None
    return f"every ray is {what} (mean opacity {vitals.opacity:.3f}, true alpha {vitals.alpha:.3f})"


def check_finite(model: nn.Module, score: Score, step: int) -> None:
    """Look at the loss and every gradient before the optimizer sees them.

    Raises:
        TrainingError: One is NaN or infinite; the text names the step and the tensor.
    """
    for name, term in score.terms.items():
        if not torch.isfinite(term):
            raise TrainingError(_not_finite(f"the loss term '{name}' is {float(term.detach())}", step))
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        # One pass over the memory; only a sum that is not finite (also by overflow) is worth a second look.
        if gradient is not None and not torch.isfinite(gradient.sum()) and not torch.isfinite(gradient).all():
            count = int((~torch.isfinite(gradient)).sum())
            raise TrainingError(_not_finite(f"{count} values of the gradient of '{name}' are NaN or infinite", step))


def _not_finite(what: str, step: int) -> str:
    return (
        f"training stopped at step {step}: {what}; the last good checkpoint is kept. "
        "Lower train.optimizer.learning_rate or set train.optimizer.max_grad_norm"
    )
