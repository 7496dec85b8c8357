"""What a person waiting for a training sees: ``progress.json`` at most once a second, and a line of log now and then.

Rates are means since the last line or file; nothing here has any influence on the training.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import dataclass

import psutil
import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.units import format_bytes, format_duration

__all__ = ["Progress", "psnr_of"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_FILES = 1.0
SECONDS_BETWEEN_LINES = 10.0


def psnr_of(squared_error: float) -> float:
    """Return the peak signal-to-noise ratio of a mean squared error of colors from 0 to 1, in dB."""
    return -10.0 * math.log10(max(squared_error, 1e-12))


@dataclass(slots=True)
class _Window:
    """Sums over the steps since some moment."""

    began: float
    steps: int = 0
    rays: int = 0
    samples: int = 0
    loss: Tensor | float = 0.0
    squared_error: Tensor | float = 0.0

    def add(self, rays: int, samples: int, loss: Tensor, squared_error: Tensor) -> None:
        """Count one step; the sums stay on their device, so that nothing waits for it."""
        self.steps += 1
        self.rays += rays
        self.samples += samples
        self.loss = self.loss + loss
        self.squared_error = self.squared_error + squared_error

    def means(self) -> dict[str, float]:
        """Return rates and means, under the names of ``progress.json``."""
        seconds, steps = max(time.monotonic() - self.began, 1e-9), max(self.steps, 1)
        return {
            "steps_per_s": self.steps / seconds,
            "rays_per_s": self.rays / seconds,
            "samples_per_ray": self.samples / max(self.rays, 1),
            "loss": float(self.loss) / steps,
            "psnr": psnr_of(float(self.squared_error) / steps),
        }


class Progress:
    """Reports on a training that runs from its first step, or from a later one, to its last."""

    def __init__(self, paths: TaskPaths, steps: int, device: torch.device) -> None:
        self._path, self._steps, self._device = paths.progress, steps, device
        self._file, self._line = _Window(time.monotonic()), _Window(time.monotonic())
        self._draws_elsewhere = sys.stdout.isatty()

    def step_done(
        self, step: int, *, rays: int, samples: int, loss: Float[Tensor, ""], squared_error: Float[Tensor, ""]
    ) -> None:
        """Count a step, and report where it is time to, or the last step is done."""
        now, is_last = time.monotonic(), step == self._steps
        for window in (self._file, self._line):
            window.add(rays, samples, loss, squared_error)
        if is_last or now - self._file.began >= SECONDS_BETWEEN_FILES:
            self._write(step)
        if is_last or now - self._line.began >= SECONDS_BETWEEN_LINES:
            self._log(step)

    def _write(self, step: int) -> None:
        means, self._file = self._file.means(), _Window(time.monotonic())
        write_json(
            self._path,
            {
                "stage": "train",
                "step": step,
                "steps": self._steps,
                **means,
                "eta_s": (self._steps - step) / max(means["steps_per_s"], 1e-9),
                "memory_bytes": self._memory(),
                "time": time.time(),
            },
        )

    def _log(self, step: int) -> None:
        """Write a line, unless whoever started this draws on the terminal."""
        means, self._line = self._line.means(), _Window(time.monotonic())
        if self._draws_elsewhere:
            return
        log.info(
            "step %d/%d  %.1f steps/s  %.0f rays/s  %.1f samples/ray  loss %.5f  PSNR %.2f dB  %s left  %s",
            step,
            self._steps,
            means["steps_per_s"],
            means["rays_per_s"],
            means["samples_per_ray"],
            means["loss"],
            means["psnr"],
            format_duration(round((self._steps - step) / max(means["steps_per_s"], 1e-9))),
            format_bytes(self._memory()),
        )

    def _memory(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        return int(psutil.Process().memory_info().rss)
