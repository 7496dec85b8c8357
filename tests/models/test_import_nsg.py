"""The official weights give the official pictures, and files from elsewhere run nothing. About 10 seconds of a CPU."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from nsg_cluster.core.errors import DataError
from nsg_cluster.geometry.cameras import pixel_rays
from nsg_cluster.models.build import build_model
from nsg_cluster.models.import_nsg import graph_state, read_array, read_weights
from nsg_cluster.models.scene_graph import SceneGraph, Shown
from nsg_cluster.training.progress import psnr_of
from tests.models import official


@pytest.fixture(scope="module")
def graph(data_root: Path) -> SceneGraph:
    scene = official.scene(data_root)
    built = build_model(official.NSG, scene).eval()
    built.load_state_dict(graph_state(read_weights(data_root / official.WEIGHTS), built))
    return built


def render(graph: SceneGraph, root: Path) -> Tensor:
    """Render every 6th pixel in both directions of the right camera's frame 120."""
    cameras = official.scene(root).train.cameras
    rows, columns = torch.meshgrid(torch.arange(0, 375, 6), torch.arange(0, 1242, 6), indexing="ij")
    rays = pixel_rays(cameras, torch.full((rows.numel(),), official.VIEW), rows.flatten(), columns.flatten())
    with torch.no_grad():
        color = graph.render_rays(rays, background=torch.zeros(len(rays), 3)).color
    return color.view(*rows.shape, 3).clamp(0, 1)


def psnr(color: Tensor, truth: np.ndarray) -> float:
    return psnr_of(float((color.double() - torch.from_numpy(truth).double()).square().mean()))


def official_picture(root: Path) -> np.ndarray:
    with PIL.Image.open(root / official.WEIGHTS / "tboard_val_imgs" / "716500.png") as picture:
        return np.asarray(picture.convert("RGB"))[::6, ::6] / 255.0


def test_the_official_weights_give_the_official_picture(graph: SceneGraph, data_root: Path) -> None:
    color = render(graph, data_root)
    assert psnr(color, official_picture(data_root)) > 51
    assert psnr(color, official.golden(data_root)["rgb_f120_cam3_stride6"]) > 60


def test_without_its_objects_the_picture_is_another(graph: SceneGraph, data_root: Path) -> None:
    graph.show(Shown(placements=graph.observed.chosen(torch.zeros(0, dtype=torch.long))))
    try:
        color = render(graph, data_root)
    finally:
        graph.show(Shown(placements=graph.observed))
    assert 23 < psnr(color, official_picture(data_root)) < 26
    assert psnr(color, official.golden(data_root)["rgb_bgonly_f120_cam3_stride6"]) > 60


class Malicious:
    """Would write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_file_that_wants_to_run_a_program_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "model_000001.npy"
    np.save(path, np.array([Malicious(victim)], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"model_000001\.npy: is refused: it wants to call pathlib"):
        read_array(path)
    assert not victim.exists()
    np.load(path, allow_pickle=True)
    assert victim.exists(), "the file does what it threatens to do"


@pytest.mark.parametrize("content", [b"", b"no npy file", b"\x93NUMPY\x09\x00", pickle.dumps([1])])
def test_what_is_no_array_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npy: is not an \.npy file of the original program"):
        read_array(path)


def test_a_cut_file_or_a_network_of_another_size_is_refused(data_root: Path, tmp_path: Path) -> None:
    source = data_root / official.WEIGHTS
    (tmp_path / "args.txt").write_text((source / "args.txt").read_text())
    whole = (source / "model_710000.npy").read_bytes()
    (tmp_path / "model_710000.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="model_710000"):
        read_weights(tmp_path)
    np.save(tmp_path / "model_710000.npy", np.zeros(3))
    with pytest.raises(DataError, match="expected 30 kernels and biases"):
        read_weights(tmp_path)


def test_the_files_say_what_they_lack(graph: SceneGraph, data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no step 5; there are 710000"):
        read_weights(data_root / official.WEIGHTS, step=5)
    with pytest.raises(DataError, match="holds no model_<step>"):
        read_weights(tmp_path)
    weights = read_weights(data_root / official.WEIGHTS)
    del weights.latents[9]
    with pytest.raises(DataError, match="no latent vector of track 9"):
        graph_state(weights, graph)
    weights.latents[9] = torch.zeros(256)
    del weights.classes[2]
    with pytest.raises(DataError, match="no network of class 2, which the scene has; there are: 0"):
        graph_state(weights, graph)
