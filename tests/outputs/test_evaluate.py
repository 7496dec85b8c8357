"""Evaluation of the held-out views."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

from nsg_cluster.config.schema import EvaluateConfig, Experiment, SyntheticData
from nsg_cluster.core.errors import CheckpointError
from nsg_cluster.core.files import read_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.signals import StopSignal
from nsg_cluster.data.images import read_image
from nsg_cluster.data.photographs.blender import write_blender
from nsg_cluster.data.procedural.synthetic import load_synthetic
from nsg_cluster.outputs.evaluate import Evaluator, evaluate
from nsg_cluster.training.loop import train
from tests.render.exact import ExactToybox
from tests.training.tiny import TINY, tiny

ENDINGS = (".png", "_truth.png", "_error.png", "_depth.png", "_depth.npy")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, TaskPaths]:
    """A task after a few steps of training."""
    experiment = tiny(train={"steps": 3}, data={"test_views": 3})
    paths = TaskPaths(tmp_path_factory.mktemp("task"))
    train(experiment, paths, stop=StopSignal())
    return experiment, paths


@pytest.mark.parametrize("background", ["white", "black"])
def test_an_exact_model_scores_as_well_as_eight_bits_allow(background: Any) -> None:
    scene = load_synthetic(SyntheticData(image_size=24, train_views=2, test_views=2, supersample=1))
    config = EvaluateConfig(background=background, chunk=100, normals=True)
    evaluator = Evaluator(ExactToybox(), scene, config, torch.device("cpu"))
    view = evaluator.measure(1)
    assert view.name == "r_1"
    # Rounding to steps of 1/255 has the variance 1/12 of a step, and only where the object is.
    share = float((scene.test.images[1, ..., 3] > 0).float().mean())
    assert view.values["psnr"] == pytest.approx(-10 * math.log10(share / 12 / 255**2), abs=0.5)
    assert view.values["ssim"] == pytest.approx(1.0, abs=1e-3)
    assert view.values["depth_error"] == view.values["median_depth_error"] == 0.0
    assert view.values["normal_error_deg"] == pytest.approx(0.0, abs=0.1)
    assert evaluator.rays == 24 * 24
    assert np.abs(view.pictures[""].astype(int) - view.pictures["_truth"]).max() <= 1
    assert view.pictures["_truth"][0, 0].tolist() == [255 if background == "white" else 0] * 3
    assert view.pictures["_error"].sum() < view.pictures["_error"].size * 4


def test_what_a_mask_hides_is_not_measured() -> None:
    scene = load_synthetic(SyntheticData(image_size=24, train_views=2, test_views=1, supersample=1))
    seen = torch.zeros(1, 24, 24, dtype=torch.bool)
    seen[:, :, 12:] = True
    wrong = scene.test.images.clone()
    wrong[:, :, :12] = 255 - wrong[:, :, :12]
    spoiled = replace(scene, test=replace(scene.test, images=wrong))
    hidden = replace(scene, test=replace(scene.test, images=wrong, seen=seen))
    cpu, config = torch.device("cpu"), EvaluateConfig()
    plain, masked = (Evaluator(ExactToybox(), each, config, cpu).measure(0).values for each in (spoiled, hidden))
    for metric, bar in (("psnr", 50.0), ("ssim", 0.999)):
        bad, good = plain[metric], masked[metric]
        assert bad is not None and good is not None
        assert bad < bar < good


def test_antialiased_truth_tells_an_exact_but_aliased_model_from_a_shifted_one() -> None:
    scene = load_synthetic(SyntheticData(image_size=32, train_views=2, test_views=2, supersample=3))
    evaluator = Evaluator(ExactToybox(), scene, EvaluateConfig(), torch.device("cpu"))
    aligned = evaluator.measure(0).values["psnr"]
    evaluator._cameras.center_px.add_(0.5)
    shifted = evaluator.measure(0).values["psnr"]
    assert aligned is not None
    assert shifted is not None
    assert aligned > shifted + 2


def test_evaluation_writes_pictures_depth_and_metrics_that_agree(trained: tuple[Experiment, TaskPaths]) -> None:
    experiment, paths = trained
    document = evaluate(experiment, paths)
    assert document is not None
    assert document == read_json(paths.metrics)
    assert {path.name for path in paths.evaluation.iterdir()} == {f"r_{i}{e}" for i in range(3) for e in ENDINGS}
    assert [view["name"] for view in document["per_view"]] == ["r_0", "r_1", "r_2"]
    assert {key: document[key] for key in ("split", "views", "step", "background", "notes")} == {
        "split": "test",
        "views": 3,
        "step": 3,
        "background": "white",
        "notes": [],
    }
    for name in ("psnr", "ssim", "depth_error"):
        assert document["mean"][name] == pytest.approx(fmean(view[name] for view in document["per_view"]))
    assert document["mean"]["lpips"] is None
    assert document["absent"].keys() == {"lpips"}
    assert document["train_cpu_seconds"] > 0
    assert document["train_seconds"] > 0
    assert document["render_rays_per_cpu_s"] > 0
    rendered, truth = (read_image(paths.evaluation / f"r_1{e}").astype(float) / 255 for e in (".png", "_truth.png"))
    assert -10 * math.log10(((rendered - truth) ** 2).mean()) == pytest.approx(
        document["per_view"][1]["psnr"], abs=0.05
    )
    assert np.load(paths.evaluation / "r_1_depth.npy").shape == (16, 16)
    assert read_json(paths.progress)["stage"] == "evaluate"


def test_normals_and_the_median_depth_are_written_and_measured_where_they_are_asked_for(
    trained: tuple[Experiment, TaskPaths],
) -> None:
    experiment, paths = trained
    expected = evaluate(experiment, paths)
    mean_depth = np.load(paths.evaluation / "r_1_depth.npy")
    asked = experiment.model_copy(update={"evaluate": EvaluateConfig(normals=True, depth="median", max_views=3)})
    document = evaluate(asked, paths)
    assert document is not None and expected is not None
    assert 0 < document["mean"]["normal_error_deg"] < 180 and "normal_error_deg" not in expected["mean"]
    assert document["mean"]["median_depth_error"] == expected["mean"]["median_depth_error"]
    assert read_image(paths.evaluation / "r_1_normals.png").shape == (16, 16, 3)
    assert not np.array_equal(np.load(paths.evaluation / "r_1_depth.npy"), mean_depth)
    (paths.evaluation / "r_1_normals.png").unlink()
    for index in (0, 2):
        (paths.evaluation / f"r_{index}_normals.png").unlink()


def test_materials_are_written_where_they_are_asked_for_and_there_are_some(tmp_path: Path) -> None:
    field = {"width": 16, "hidden_layers": 2, "bottleneck": 8, "color_width": 8, "normals": "predicted"}
    model = {"kind": "mipnerf", "samples": 8, "field": field | {"reflections": {"color_layers": 2}}}
    short = TINY["train"] | {"steps": 2, "samples": None, "preview_every": None}
    asked = {"evaluate": {"materials": True, "chunk": 100}}
    experiment = Experiment.model_validate({**TINY, "model": model, "train": short, **asked})
    paths = TaskPaths(tmp_path)
    train(experiment, paths, stop=StopSignal())
    assert evaluate(experiment, paths) is not None
    pictures = [read_image(paths.evaluation / f"r_0_{part}.png") for part in ("diffuse", "reflected", "roughness")]
    assert all(picture.shape == (16, 16, 3) for picture in pictures)
    assert not np.array_equal(pictures[0], pictures[1])
    with pytest.raises(ValueError, match=r"evaluate\.materials: only mipnerf and mipnerf360 with model\.field\.refl"):
        Experiment.model_validate({**TINY, **asked})


def test_tensorboard_gets_the_means_and_pictures(trained: tuple[Experiment, TaskPaths]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    experiment, paths = trained
    document = evaluate(experiment, paths)
    assert document is not None
    board = EventAccumulator(str(paths.tensorboard)).Reload()
    assert {"held_out/r_0", "held_out/r_1", "held_out/r_2"} <= set(board.Tags()["images"])
    (scalar, *_) = board.Scalars("held_out/psnr")
    assert scalar.step == 3
    assert scalar.value == pytest.approx(document["mean"]["psnr"], rel=1e-5)


def test_evaluating_again_gives_the_same_numbers_and_fewer_views_are_spread(
    trained: tuple[Experiment, TaskPaths],
) -> None:
    experiment, paths = trained
    first, again = evaluate(experiment, paths), evaluate(experiment, paths)
    assert first is not None
    assert again is not None
    assert first["per_view"] == again["per_view"]
    few = experiment.model_copy(update={"evaluate": EvaluateConfig(max_views=2)})
    document = evaluate(few, paths)
    assert document is not None
    assert [view["name"] for view in document["per_view"]] == ["r_0", "r_2"]


def test_pictures_can_be_left_out(trained: tuple[Experiment, TaskPaths], tmp_path: Path) -> None:
    experiment, paths = trained
    elsewhere = TaskPaths(paths.root, results_root=tmp_path)
    bare = experiment.model_copy(update={"evaluate": EvaluateConfig(pictures=False)})
    document = evaluate(bare, elsewhere)
    assert document is not None and document["views"] == 3
    assert elsewhere.metrics.is_file() and not elsewhere.evaluation.exists()


def test_a_stop_ends_evaluation_without_metrics(trained: tuple[Experiment, TaskPaths]) -> None:
    experiment, paths = trained
    paths.metrics.unlink(missing_ok=True)
    stop = StopSignal()
    stop.request("warning")
    assert evaluate(experiment, paths, stop=stop) is None
    assert not paths.metrics.exists()


def test_without_a_checkpoint_there_is_nothing_to_evaluate(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train first"):
        evaluate(tiny(), TaskPaths(tmp_path))


def test_metrics_name_the_split_and_repeat_the_notes_of_the_reader(tmp_path: Path) -> None:
    root = tmp_path / "blender"
    write_blender(load_synthetic(SyntheticData(image_size=10, train_views=2, test_views=2, supersample=1)), root)
    (root / "val" / "r_0.png").unlink()
    experiment = tiny(train={"steps": 1}).model_copy(
        update={
            "data": Experiment.model_validate(
                {**tiny().model_dump(), "data": {"kind": "blender", "root": str(root)}}
            ).data
        }
    )
    paths = TaskPaths(tmp_path / "task")
    train(experiment, paths, stop=StopSignal())
    document = evaluate(experiment, paths)
    assert document is not None
    assert document["split"] == "val"
    assert document["notes"] == ["val: 1 of 2 listed images are missing; using 1"]
    # Ten pixels are too few for the window of SSIM, and nothing is known about depth.
    assert document["mean"].keys() == {"psnr", "ssim", "lpips"}
    assert document["mean"]["ssim"] is None
    assert "window" in document["absent"]["ssim"]
