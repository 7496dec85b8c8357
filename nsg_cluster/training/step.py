"""One optimizer step: draw pixels, render them, compare, differentiate, change the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from nsg_cluster.config.schema import Experiment, SceneGraphConfig
from nsg_cluster.config.training import TrainConfig
from nsg_cluster.core.errors import MachineError
from nsg_cluster.data.batches import RayBatch, RayBatches
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.training.generators import Purpose, step_generator
from nsg_cluster.training.guards import Vitals, check_finite, measure_vitals
from nsg_cluster.training.objective import Score, background_colors, score
from nsg_cluster.training.optimizer import clip_gradients, set_learning_rates
from nsg_cluster.training.reptile import task_of
from nsg_cluster.training.state import State
from nsg_cluster.training.team import ALONE, Team

__all__ = ["MAX_RAYS", "MIN_RAYS", "Step", "next_rays", "take_step"]

MIN_RAYS, MAX_RAYS = 16, 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did."""

    num_rays: int
    num_samples: int
    """Field evaluations of the rays."""
    score: Score
    vitals: Vitals | None
    """Measured where a dead start is looked for."""
    rates: dict[str, float]
    """Settings of the step that go into the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forward:
    """A batch, rendered and compared, its gradients computed."""

    pixels: Int[Tensor, " rays"]
    batch: RayBatch
    background: Tensor
    color: Tensor
    opacity: Tensor
    num_samples: int
    score: Score

    @property
    def truth(self) -> Tensor:
        """True colors of the rays over the background."""
        return self.batch.truth(self.background, self.color)


def take_step(
    experiment: Experiment,
    batches: RayBatches,
    state: State,
    *,
    team: Team = ALONE,
    notice: Callable[[str], None] = lambda _: None,
) -> Step:
    """Do one optimizer step and choose the number of rays of the next.

    Args:
        experiment: What is trained.
        batches: The training images.
        state: Goes one step on.
        team: The processes that share the step, each of which calls this.
        notice: Called with a sentence when memory is short and the step is done with fewer rays.

    Raises:
        MachineError: The GPU's memory is full with the fewest rays too.
        TrainingError: A value is not finite.
    """
    config = experiment.train
    rates = set_learning_rates(
        state.optimizer,
        config.optimizer,
        config.schedule,
        poses=experiment.model.poses,
        object_poses=experiment.model.objects.poses if isinstance(experiment.model, SceneGraphConfig) else None,
        step=state.step,
        steps=config.steps,
    )
    while (done := _forward_within_memory(experiment, batches, state, team)) is None:
        notice(_halve(state))
    if state.loss_scale.unscale(state.model, state.step + 1):
        check_finite(state.model, done.score, state.step + 1)
        clip_gradients(state.model, config.optimizer)
        state.optimizer.step()
    state.step += 1
    if state.lookahead is not None:
        state.lookahead.update(state.step)
    if state.average is not None:
        state.average.update(state.step)
    if state.samples is not None:
        state.rays = next_rays(state.rays, done.num_samples, state.samples)
    look = state.step % config.dead_start.check_step == 0
    return Step(
        num_rays=len(done.opacity),
        num_samples=done.num_samples,
        score=done.score,
        vitals=_vitals(done) if look else None,
        rates=rates,
    )


def next_rays(rays: int, samples: int, target: int) -> int:
    """Return as many rays as would have given ``target`` samples, at most twice as many as before."""
    wanted = rays * target // samples if samples > 0 else MAX_RAYS
    return max(MIN_RAYS, min(wanted, 2 * rays, MAX_RAYS))


def _forward_within_memory(experiment: Experiment, batches: RayBatches, state: State, team: Team) -> _Forward | None:
    """Return None if the memory of a GPU was full; by then all that was in it is gone."""
    done = None
    with suppress(torch.cuda.OutOfMemoryError):
        done = _forward(experiment, batches, state, team)
    (full,) = team.sums([done is None])
    if done is not None and not full:
        return _together(done, state, team)
    done = None
    state.optimizer.zero_grad()
    torch.cuda.empty_cache()
    return None


def _forward(experiment: Experiment, batches: RayBatches, state: State, team: Team) -> _Forward:
    """Draw a batch, render this process's share of it and compute gradients."""
    config, model, device = experiment.train, state.model, batches.pixels.device

    def generator(purpose: Purpose, rank: int = 0) -> Generator:
        return step_generator(
            experiment.seed, restart=state.restart, step=state.step, purpose=purpose, rank=rank, device=device
        )

    model.before_step(state.step, generator("occupancy"))
    pixels = _draw(experiment, batches, state, generator("batch"))
    batch = batches.at(pixels)
    background = background_colors(config.background, state.rays, generator=generator("background"), device=device)
    state.optimizer.zero_grad()
    jitter = generator("jitter", team.rank) if config.jitter else None
    mine, size = team.share(state.rays), config.rays_at_once or state.rays
    done = [
        _pass(config, state, batch[part], background[part], jitter, share=len(background[part]) / state.rays)
        for part in (slice(first, min(first + size, mine.stop)) for first in range(mine.start, mine.stop, size))
    ]
    color, opacity = (torch.cat([getattr(each, name).detach() for each, _ in done]) for name in ("color", "opacity"))
    return _Forward(
        pixels=pixels,
        batch=batch,
        background=background,
        color=color,
        opacity=opacity,
        num_samples=sum(len(each.samples) for each, _ in done),
        score=done[0][1] if len(done) == 1 else _sum([part for _, part in done]),
    )


def _together(done: _Forward, state: State, team: Team) -> _Forward:
    """Return what all processes have found; gradients are those of the whole batch then, in each of them."""
    team.sum_gradients(state.model)
    if team.size > 1:
        seen = team.gather(torch.cat([done.color, done.opacity[:, None]], dim=1), state.rays)
        (samples,) = team.sums([done.num_samples])
        done = replace(
            done, color=seen[:, :3], opacity=seen[:, 3], num_samples=int(samples), score=_total(done.score, team)
        )
    if state.error_map is not None:
        state.error_map.update(done.pixels, (done.color - done.truth).square().mean(dim=1))
    return done


def _total(mine: Score, team: Team) -> Score:
    """Return the score of a batch from the shares of all processes."""
    loss, error, *terms = team.total(torch.stack([mine.loss, mine.squared_error, *mine.terms.values()])).unbind()
    return Score(loss=loss, squared_error=error, terms=dict(zip(mine.terms, terms, strict=True)))


def _pass(
    config: TrainConfig,
    state: State,
    batch: RayBatch,
    background: Float[Tensor, "rays 3"],
    jitter: Generator | None,
    *,
    share: float,
) -> tuple[Rendering, Score]:
    """Render a part of a batch and add its gradients; return the rendering and its share of the score."""
    rendering = state.model.render_rays(
        batch.rays,
        background=background,
        generator=jitter,
        transmittance_threshold=config.transmittance_threshold,
    )
    truth = batch.truth(background, rendering.color)
    scored = score(config.loss, rendering, truth, state.model.regularizers(), is_sky=batch.is_sky)
    torch.autograd.backward(scored.loss * (share * state.loss_scale.factor))
    if share == 1:
        return rendering, scored
    terms = {name: share * term.detach() for name, term in scored.terms.items()}
    return rendering, Score(loss=share * scored.loss.detach(), terms=terms, squared_error=share * scored.squared_error)


def _sum(scores: Sequence[Score]) -> Score:
    """Return the score of a batch from its parts' shares."""
    return Score(
        loss=torch.stack([part.loss for part in scores]).sum(),
        terms={name: torch.stack([part.terms[name] for part in scores]).sum() for name in scores[0].terms},
        squared_error=torch.stack([part.squared_error for part in scores]).sum(),
    )


def _draw(experiment: Experiment, batches: RayBatches, state: State, generator: Generator) -> Int[Tensor, " rays"]:
    config = experiment.train
    if state.error_map is not None:
        return state.error_map.draw(state.rays, generator)
    if config.reptile is not None:
        inner, tasks = config.reptile.inner_steps, batches.num_frames
        task = task_of(state.step, inner_steps=inner, tasks=tasks, seed=experiment.seed, restart=state.restart)
        return batches.draw_of_frame(task, state.rays, generator)
    crop = config.center_crop
    fraction = crop.fraction if crop is not None and state.step < crop.steps else 1.0
    return batches.draw_pixels(state.rays, generator, one_image=config.pixels == "one_image", fraction=fraction)


def _halve(state: State) -> str:
    """Halve the rays and the sample budget; return a sentence about it.

    Raises:
        MachineError: There are no fewer rays.
    """
    if state.rays <= MIN_RAYS:
        raise MachineError(
            f"the memory of the GPU is full with {state.rays} rays already: take a smaller model.hash_grid, a GPU with "
            "more memory, or end what else computes on this one"
        )
    state.rays = max(MIN_RAYS, state.rays // 2)
    if state.samples is None:
        return f"the memory of the GPU is full: going on with {state.rays} rays in each step"
    state.samples //= 2
    return f"the memory of the GPU is full: going on with train.samples={state.samples}"


def _vitals(done: _Forward) -> Vitals:
    return measure_vitals(
        done.opacity, done.score, truth=done.truth, alpha=done.batch.alpha, background=done.background
    )
