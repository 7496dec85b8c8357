"""The training loop, readable top to bottom.

``step`` counts optimizer steps done. Everything random in a step comes from (seed, restart, step), and no clock has any
influence on the weights: the clock only decides when a checkpoint, a preview or a line of log is written. So a
training that is killed and continued ends with the weights of the uninterrupted one.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from nsg_cluster.config.memory import estimate_memory
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import ConfigError, TrainingError
from nsg_cluster.core.files import absolute_path, write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.data.scene import Scene, Views
from nsg_cluster.training import checkpoint
from nsg_cluster.training.device import prepare_device
from nsg_cluster.training.events import Events, disk_errors
from nsg_cluster.training.guards import death
from nsg_cluster.training.processes import team_of
from nsg_cluster.training.reports import Clock, Reports
from nsg_cluster.training.state import State, begin_with, new_state, restore, snapshot_of
from nsg_cluster.training.step import take_step
from nsg_cluster.training.team import Team

__all__ = ["TrainResult", "train"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """How a training ended."""

    step: int
    """Optimizer steps done."""
    stopped: Literal["warning", "cancel"] | None
    """What it was stopped by before its last step, if it was."""
    cpu_s: float
    """CPU time of all attempts."""
    wall_s: float
    """Time of all attempts."""
    restarts: int
    """Dead starts that were given up."""


def train(experiment: Experiment, paths: TaskPaths, *, stop: StopSignal) -> TrainResult:
    """Train an experiment's model to its last step, from the newest good checkpoint if there is one.

    Args:
        experiment: What to train, without a sweep.
        paths: Where checkpoints, events, previews and progress go.
        stop: Looked at after each step; a request ends the training after a checkpoint.

    Raises:
        CheckpointError: The checkpoints belong to another experiment.
        ConfigError: What is asked for does not fit the data.
        DataError: The data cannot be read.
        MachineError: The device is missing.
        TrainingError: A value is not finite, the last allowed start is dead, or the disk is full.
    """
    with team_of(experiment, paths, work=_follow) as team:
        return _train(experiment, paths, team, stop=stop)


def _follow(experiment: Experiment, paths: TaskPaths, team: Team) -> None:
    """Train in a process that does not lead."""
    _train(experiment, paths, team, stop=StopSignal())


def _train(experiment: Experiment, paths: TaskPaths, team: Team, *, stop: StopSignal) -> TrainResult:
    config = experiment.train
    device = prepare_device(config, rank=team.rank, size=team.size)
    scene = load_scene(experiment.data)
    images = scene.train.images.nbytes + scene.test.images.nbytes
    log.info("memory: %s", estimate_memory(experiment, image_bytes=images).sentence())
    batches = RayBatches(scene.train, device)
    if config.loss.sky > 0 and batches.sky is None:
        raise ConfigError("train.loss.sky: these data have no class maps with a sky; leave it out")
    requested = None
    with Events(paths, is_silent=not team.leads) as events:
        state, clock = _resume(experiment, paths, scene, events, device=device, team=team)
        reports = Reports(experiment, paths, scene.test, events, clock=clock, device=device) if team.leads else None
        keeper = _Keeper(experiment, paths, clock, saved_step=state.step, is_silent=not team.leads)
        while state.step < config.steps:
            done = take_step(experiment, batches, state, team=team, notice=partial(_warn, events, state.step))
            requested = team.agreed(stop.requested)
            clock.cpu_of_others_s = team.cpu_of_others_s
            if reports is not None:
                reports.step_done(done, state)
            if done.vitals is not None and (reason := death(done.vitals)) is not None:
                state = _start_again(experiment, paths, scene, events, dead=state, device=device, reason=reason)
            elif requested is not None:
                break
            elif keeper.is_due():
                keeper.save(state)
        keeper.save(state)
        if experiment.model.poses is not None and team.leads:
            write_poses(paths, scene.train, state, device)
    return TrainResult(
        step=state.step,
        stopped=requested if state.step < config.steps else None,
        cpu_s=clock.cpu_s,
        wall_s=clock.wall_s,
        restarts=state.restart,
    )


def _resume(
    experiment: Experiment, paths: TaskPaths, scene: Scene, events: Events, *, device: torch.device, team: Team
) -> tuple[State, Clock]:
    """Return the state of the newest good checkpoint, or a new one.

    Raises:
        TrainingError: Processes have found different checkpoints.
    """
    passed_over: list[str] = []
    snapshot = checkpoint.load_newest(
        paths.checkpoints, identity=checkpoint.identity(experiment), report=passed_over.append
    )
    restart, is_restored = (0, False) if snapshot is None else (snapshot.restart, True)
    state = new_state(experiment, scene, device, restart=restart, is_restored=is_restored)
    clock = Clock()
    if snapshot is not None:
        restore(state, snapshot)
        clock = Clock(snapshot.cpu_s, snapshot.wall_s)
    # Nothing is written before all have read.
    if team.sums([state.step]) != [state.step * team.size]:
        raise TrainingError(f"{paths.checkpoints}: the processes of train.processes see different checkpoints there")
    events.begin(state.step)
    if snapshot is None and experiment.train.start_from is not None:
        events.notice(0, _begin_elsewhere(state, Path(experiment.train.start_from)))
    for text in passed_over:
        events.notice(state.step, text, "warning")
    if team.leads:
        checkpoint.set_aside_newer(paths.checkpoints, state.step)
    if snapshot is not None:
        events.notice(state.step, f"continued from the checkpoint of step {state.step}")
        if snapshot.threads != torch.get_num_threads():
            text = f"{torch.get_num_threads()} CPU threads instead of {snapshot.threads}"
            events.notice(state.step, f"{text}: the weights will differ in their last bits", "warning")
    return state, clock


def _begin_elsewhere(state: State, folder: Path) -> str:
    """Put in the weights of another run, and return a sentence about it."""
    absent = begin_with(state, checkpoint.newest_weights(absolute_path(folder)))
    left = f"; {len(absent)} of its own stay, the first is {absent[0]}" if absent else ""
    return f"begins with the weights of {folder}{left}"


def _start_again(
    experiment: Experiment,
    paths: TaskPaths,
    scene: Scene,
    events: Events,
    *,
    dead: State,
    device: torch.device,
    reason: str,
) -> State:
    """Begin from other initial weights.

    Raises:
        TrainingError: No further start is allowed.
    """
    allowed = experiment.train.dead_start.restarts
    text = f"start {dead.restart + 1} of {allowed + 1} is dead at step {dead.step}: {reason}"
    if dead.restart >= allowed:
        events.notice(dead.step, text, "error")
        raise TrainingError(
            f"training was given up: {text}; look at the images, the scene box and the background, "
            "or lower train.optimizer.learning_rate"
        )
    # The checkpoints of a dead start would be taken for the newest ones.
    if not events.is_silent:
        checkpoint.discard(paths.checkpoints)
    events.begin(0)
    events.notice(0, f"{text}; training starts again from another seed", "warning")
    return new_state(experiment, scene, device, restart=dead.restart + 1)


def _warn(events: Events, step: int, text: str) -> None:
    events.notice(step, text, "warning")


def write_poses(paths: TaskPaths, views: Views, state: State, device: torch.device) -> None:
    """Write the refined training cameras for whoever wants to use them elsewhere."""
    with nullcontext() if state.average is None else state.average.in_place():
        poses = state.model.per_image.refined(views.cameras.to(device)).camera_to_world.tolist()
    frames = [
        {"file_path": name, "transform_matrix": [*pose, [0.0, 0.0, 0.0, 1.0]]}
        for name, pose in zip(views.names, poses, strict=True)
    ]
    with disk_errors():
        write_json(paths.refined_poses, {"frames": frames})


class _Keeper:
    """Writes checkpoints when it is time."""

    def __init__(
        self, experiment: Experiment, paths: TaskPaths, clock: Clock, *, saved_step: int, is_silent: bool
    ) -> None:
        self._config, self._folder, self._clock = experiment.train, paths.checkpoints, clock
        self._is_silent = is_silent
        self._identity = checkpoint.identity(experiment)
        self._saved_step, self._saved_at_s = saved_step, time.monotonic()

    def is_due(self) -> bool:
        """Say whether the newest checkpoint is old enough."""
        return time.monotonic() - self._saved_at_s >= self._config.checkpoint_every_s

    def save(self, state: State) -> None:
        """Write a checkpoint, unless this very state is already on disk or another process writes."""
        if state.step == self._saved_step or self._is_silent:
            return
        snapshot = snapshot_of(state, cpu_s=self._clock.cpu_s, wall_s=self._clock.wall_s)
        with disk_errors():
            checkpoint.save(self._folder, snapshot, identity=self._identity, keep=self._config.keep_checkpoints)
        self._saved_step, self._saved_at_s = state.step, time.monotonic()
