"""What changes from step to step of a training, new or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsg_cluster.config.schema import Experiment, SceneGraphConfig, TrainConfig
from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.data.scene import Scene
from nsg_cluster.models.base import Model
from nsg_cluster.models.build import build_model
from nsg_cluster.training.average import WeightAverage
from nsg_cluster.training.checkpoint import Snapshot
from nsg_cluster.training.error_map import ErrorMap
from nsg_cluster.training.generators import mix
from nsg_cluster.training.lookahead import Lookahead
from nsg_cluster.training.object_start import begin_from
from nsg_cluster.training.optimizer import build_optimizer
from nsg_cluster.training.precision import LossScale, use_precision
from nsg_cluster.training.reptile import Reptile

__all__ = ["State", "begin_with", "new_state", "restore", "snapshot_of"]


@dataclass(slots=True, kw_only=True)
class State:
    """A training between two steps."""

    model: Model
    optimizer: torch.optim.Optimizer
    rays: int
    """Rays of the next step."""
    samples: int | None
    """Field evaluations aimed at in the next step; None to leave the rays as they are."""
    average: WeightAverage | None
    error_map: ErrorMap | None
    loss_scale: LossScale
    lookahead: Lookahead | None = None
    step: int = 0
    """Optimizer steps done."""
    restart: int = 0
    """Starts given up before this one."""


def new_state(
    experiment: Experiment, scene: Scene, device: torch.device, *, restart: int = 0, is_restored: bool = False
) -> State:
    """Build a model and all that goes with it; each start has initial weights of its own.

    Args:
        experiment: What is trained.
        scene: On what.
        device: Where.
        restart: Starts given up before this one.
        is_restored: Whether its weights will be replaced by those of a snapshot.

    Raises:
        ConfigError: The model does not fit the scene, or not the start that it is given.
        MachineError: A backend or a precision is not available here.
    """
    config, cameras = experiment.train, scene.train.cameras
    model = build_model(experiment.model, scene, seed=mix(experiment.seed, restart)).to(device).train()
    start = experiment.model.objects.start_from if isinstance(experiment.model, SceneGraphConfig) else None
    if start is not None and not is_restored:
        begin_from(model, Path(start))
    use_precision(model, config, device)
    optimizer = build_optimizer(model, config.optimizer)
    has_map, ahead = config.pixels == "error_map", config.optimizer.lookahead
    return State(
        model=model,
        optimizer=optimizer,
        rays=config.rays,
        samples=config.samples,
        average=_average(model, optimizer, config),
        error_map=ErrorMap(len(cameras), cameras.height, cameras.width, device) if has_map else None,
        loss_scale=LossScale(is_used=config.precision == "float16"),
        lookahead=None if ahead is None else Lookahead(model, every=ahead.every, share=ahead.share),
        restart=restart,
    )


def _average(model: Model, optimizer: torch.optim.Optimizer, config: TrainConfig) -> WeightAverage | None:
    """Return what keeps the weights that are evaluated, where these are not the model's own."""
    if config.reptile is not None:
        inner, rate = config.reptile.inner_steps, config.reptile.rate
        return Reptile(model, optimizer, inner_steps=inner, rate=rate, steps=config.steps)
    return WeightAverage(model, config.ema_decay) if config.ema_decay is not None else None


def restore(state: State, snapshot: Snapshot) -> None:
    """Put a new state of the same start where a snapshot was taken."""
    state.model.load_state_dict(snapshot.model)
    state.optimizer.load_state_dict(snapshot.optimizer)
    state.step, state.rays, state.samples = snapshot.step, snapshot.rays, snapshot.samples
    if state.average is not None and snapshot.average is not None:
        state.average.load(snapshot.average)
    if state.lookahead is not None and snapshot.slow is not None:
        state.lookahead.load(snapshot.slow)
    if state.error_map is not None and snapshot.errors is not None:
        state.error_map.errors.copy_(snapshot.errors)
    state.loss_scale.factor, state.loss_scale.good_steps = snapshot.loss_scale


def begin_with(state: State, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Put weights of another training into a new state, and return the names of those of ours that they have not.

    Raises:
        CheckpointError: Nothing of them fits.
    """
    ours = state.model.state_dict()
    fitting = {name: value for name, value in weights.items() if name in ours and ours[name].shape == value.shape}
    if not fitting:
        raise CheckpointError("none of the weights fits the model; train.start_from must name a run of the same model")
    state.model.load_state_dict(ours | fitting)
    for kept in (state.average, state.lookahead):
        if kept is not None:
            kept.load(dict(state.model.named_parameters()))
    return tuple(name for name in ours if name not in fitting)


def snapshot_of(state: State, *, cpu_s: float, wall_s: float) -> Snapshot:
    """Return all that ``restore`` needs."""
    return Snapshot(
        step=state.step,
        restart=state.restart,
        rays=state.rays,
        cpu_s=cpu_s,
        wall_s=wall_s,
        threads=torch.get_num_threads(),
        model=state.model.state_dict(),
        optimizer=state.optimizer.state_dict(),
        samples=state.samples,
        average=None if state.average is None else state.average.state(),
        slow=None if state.lookahead is None else state.lookahead.state(),
        errors=None if state.error_map is None else state.error_map.errors,
        loss_scale=(state.loss_scale.factor, state.loss_scale.good_steps),
    )
