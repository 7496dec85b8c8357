"""What a training says about itself after each step: progress, events, previews."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.scene import Views
from nsg_cluster.training.events import Events, disk_errors
from nsg_cluster.training.preview import PreviewView
from nsg_cluster.training.progress import Progress, psnr_of
from nsg_cluster.training.state import State
from nsg_cluster.training.step import Step

__all__ = ["Clock", "Reports"]


@dataclass(slots=True)
class Clock:
    """CPU and wall time of a training, going on from those of earlier attempts."""

    cpu_before_s: float = 0.0
    wall_before_s: float = 0.0
    cpu_began_s: float = field(default_factory=time.process_time)
    wall_began_s: float = field(default_factory=time.monotonic)
    cpu_of_others_s: float = 0.0
    """CPU time of the other processes of this attempt."""

    @property
    def cpu_s(self) -> float:
        """CPU time so far."""
        return self.cpu_before_s + time.process_time() - self.cpu_began_s + self.cpu_of_others_s

    @property
    def wall_s(self) -> float:
        """Time so far."""
        return self.wall_before_s + time.monotonic() - self.wall_began_s


class Reports:
    """Collects steps, and writes scalars every ``log_every`` and a preview every ``preview_every`` of them."""

    def __init__(
        self,
        experiment: Experiment,
        paths: TaskPaths,
        views: Views,
        events: Events,
        *,
        clock: Clock,
        device: torch.device,
    ) -> None:
        """Prepare to report; ``views`` are the held-out ones."""
        self._config, self._events, self._clock = experiment.train, events, clock
        self._progress = Progress(paths, experiment.train.steps, device)
        self._preview = PreviewView(views, experiment.evaluate, device)
        self._sums: dict[str, torch.Tensor] = {}
        self._steps = 0

    def step_done(self, done: Step, state: State) -> None:
        """Report on the step that led to a state; the first step is 1."""
        step, score = state.step, done.score
        rays, samples = done.num_rays, done.num_samples
        loss = score.loss.detach()
        with disk_errors():
            self._progress.step_done(step, rays=rays, samples=samples, loss=loss, squared_error=score.squared_error)
        self._add({"loss": loss, "squared_error": score.squared_error, **score.terms})
        is_last = step == self._config.steps
        if step % self._config.log_every == 0 or is_last:
            means = self._take_means()
            psnr = psnr_of(means.pop("squared_error"))
            sizes = {"rays": rays, "samples": samples, **state.model.figures()}
            times = {"cpu_s": self._clock.cpu_s, "wall_s": self._clock.wall_s}
            self._events.scalars(step, {**means, "psnr": psnr, **done.rates, **sizes, **times})
        every = self._config.preview_every
        if every is not None and (step % every == 0 or is_last):
            with nullcontext() if state.average is None else state.average.in_place():
                preview = self._preview.render(state.model)
            self._events.preview(step, preview.image)
            self._events.scalars(step, {"preview_psnr": preview.psnr, "cpu_s": self._clock.cpu_s})

    def _add(self, values: dict[str, torch.Tensor]) -> None:
        """Sum values on their device, so that nothing waits for them."""
        self._steps += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value.detach()

    def _take_means(self) -> dict[str, float]:
        means = {name: float(total) / self._steps for name, total in self._sums.items()}
        self._sums, self._steps = {}, 0
        return means
