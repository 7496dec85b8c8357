"""One step: the sample budget, and memory that is full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import MachineError
from nsg_cluster.core.files import read_jsonl
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.models.instant_ngp import InstantNgp
from nsg_cluster.training import checkpoint, loop
from nsg_cluster.training.state import State, new_state
from nsg_cluster.training.step import MIN_RAYS, next_rays, take_step
from tests.training.tiny import TINY, tiny


def prepared(experiment: Experiment) -> tuple[RayBatches, State]:
    scene, cpu = load_scene(experiment.data), torch.device("cpu")
    return RayBatches(scene.train, cpu), new_state(experiment, scene, cpu)


def full(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Let the memory be full for the first renderings of a training."""
    render, calls = InstantNgp.render_rays, [0]

    def failing(self: InstantNgp, *arguments: Any, **settings: Any) -> Any:
        calls[0] += 1
        if calls[0] <= times:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return render(self, *arguments, **settings)

    monkeypatch.setattr(InstantNgp, "render_rays", failing)


def test_the_number_of_rays_follows_the_sample_budget() -> None:
    assert next_rays(100, 2000, 1000) == 50
    assert next_rays(100, 800, 1000) == 125
    assert next_rays(100, 10, 1000) == 200, "at most twice as many as before"
    assert next_rays(100, 0, 1000) == 200
    assert next_rays(16, 100000, 1000) == MIN_RAYS


def test_without_a_budget_every_step_has_as_many_rays() -> None:
    experiment = tiny(train={"samples": None, "rays": 50})
    batches, state = prepared(experiment)
    assert [take_step(experiment, batches, state).num_rays for _ in range(3)] == [50, 50, 50]


def test_full_memory_halves_the_budget_for_good_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, paths = tiny(train={"steps": 20}), TaskPaths(tmp_path)
    full(monkeypatch, times=2)
    assert loop.train(experiment, paths, stop=StopSignal()).step == 20
    notices = [event for event in read_jsonl(paths.events) if "notice" in event]
    assert [(event["step"], event["level"]) for event in notices] == [(0, "warning")] * 2
    assert notices[1]["notice"] == "the memory of the GPU is full: going on with train.samples=512"
    assert max(event["samples"] for event in read_jsonl(paths.events) if "loss" in event) < 1024
    kept = checkpoint.load_newest(paths.checkpoints, identity=checkpoint.identity(experiment))
    assert kept is not None and kept.samples == 512


def test_a_step_after_full_memory_is_a_step_of_fewer_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for rays, times in ((64, 1), (32, 0)):
        experiment = tiny(train={"samples": None, "rays": rays})
        batches, state = prepared(experiment)
        with monkeypatch.context() as patch:
            full(patch, times=times)
            take_step(experiment, batches, state)
        results.append((state.rays, state.model.state_dict()["field.grid.table"]))
    assert results[0][0] == results[1][0] == 32
    assert torch.equal(results[0][1], results[1][1])


def test_memory_that_stays_full_ends_the_training_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = tiny()
    batches, state = prepared(experiment)
    full(monkeypatch, times=100)
    with pytest.raises(MachineError, match="full with 16 rays already"):
        take_step(experiment, batches, state)


def test_gradients_in_parts_add_up_to_those_of_the_whole_batch() -> None:
    results = []
    for at_once in (None, 16, 48):
        experiment = tiny(train={"samples": None, "rays": 64, "rays_at_once": at_once, "background": "white"})
        batches, state = prepared(experiment)
        done = take_step(experiment, batches, state)
        gradients = [parameter.grad for parameter in state.model.parameters() if parameter.grad is not None]
        results.append((done, torch.cat([gradient.flatten() for gradient in gradients])))
    (whole, expected), *parts = results
    for done, gradient in parts:
        assert (done.num_rays, done.num_samples) == (whole.num_rays, whole.num_samples)
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-7)
        torch.testing.assert_close(done.score.loss, whole.score.loss.detach())
        assert set(done.score.terms) == set(whole.score.terms)


NERF = {"kind": "nerf", "samples": 8, "fine_samples": 8, "field": {"width": 16, "density_noise": 1.0}}


@pytest.mark.parametrize("jitter", [False, True])
def test_without_jitter_the_same_pixels_give_the_same_rendering(jitter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    same = torch.arange(64)
    monkeypatch.setattr(RayBatches, "draw_pixels", lambda *_, **__: same)
    experiment = Experiment.model_validate(
        {**TINY, "model": NERF, "train": {**TINY["train"], "jitter": jitter, "background": "white"}}
    )
    found = set()
    for restart in range(3):
        batches, state = prepared(experiment)
        state.restart = restart  # the model is that of the first start, other random numbers are not
        found.add(float(take_step(experiment, batches, state).score.loss.detach()))
    assert len(found) == (3 if jitter else 1)
