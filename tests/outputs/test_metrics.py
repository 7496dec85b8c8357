"""PSNR, SSIM, LPIPS."""

from __future__ import annotations

import math
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nsg_cluster.outputs import metrics
from nsg_cluster.outputs.metrics import load_lpips, mean_angle_deg, psnr, ssim

NOISE = torch.rand(24, 20, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("error", "expected"), [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_psnr_of_a_constant_error_is_its_closed_form(error: float, expected: float) -> None:
    truth = torch.zeros(4, 5, 3)
    assert psnr(truth + error, truth) == pytest.approx(expected, abs=1e-4)


def test_psnr_of_one_wrong_pixel_in_a_hundred_is_that_of_its_share() -> None:
    color = torch.zeros(10, 10, 3)
    color[3, 4] = 1.0
    assert psnr(color, torch.zeros(10, 10, 3)) == pytest.approx(20.0)


def test_equal_images_have_finite_psnr_so_that_json_can_hold_it() -> None:
    assert psnr(NOISE, NOISE) == 120.0


def test_ssim_is_one_for_equal_images_and_falls_with_noise() -> None:
    noise = torch.rand(24, 20, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    assert ssim(NOISE, NOISE) == pytest.approx(1.0)
    values = [ssim(NOISE + amount * noise, NOISE) for amount in (0.05, 0.2, 0.8)]
    assert None not in values
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]


def test_ssim_of_two_flat_images_is_its_luminance_term() -> None:
    a, b, c1 = 0.2, 0.6, 0.01**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(torch.full((16, 16, 3), a), torch.full((16, 16, 3), b)) == pytest.approx(expected, abs=1e-6)


def test_ssim_is_absent_for_images_smaller_than_its_window() -> None:
    assert ssim(torch.zeros(10, 40, 3), torch.zeros(10, 40, 3)) is None
    assert ssim(torch.zeros(11, 11, 3), torch.zeros(11, 11, 3)) == pytest.approx(1.0)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place where the weights of LPIPS are looked for."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / metrics.VGG_WEIGHTS


def test_lpips_is_absent_without_weights_and_the_package_that_would_download_them_is_not_touched(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None makes every import of the package fail.
    monkeypatch.setitem(sys.modules, "lpips", None)
    measure, reason = load_lpips()
    assert measure is None
    assert str(weights) in reason


def test_lpips_is_absent_without_its_package(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.touch()
    monkeypatch.setitem(sys.modules, "lpips", None)
    measure, reason = load_lpips()
    assert measure is None
    assert "package lpips" in reason


def test_a_package_that_breaks_when_it_starts_is_a_reason_and_no_crash(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    weights.touch()
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=broken))
    measure, reason = load_lpips()
    assert measure is None
    assert "torchvision::nms" in reason


def test_lpips_gets_batches_of_channels_first_and_is_told_that_colors_begin_at_zero(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Network(torch.nn.Module):
        def __init__(self, net: str, verbose: bool) -> None:
            super().__init__()
            assert (net, verbose) == ("vgg", False)

        def forward(self, color: Tensor, truth: Tensor, normalize: bool) -> Tensor:
            assert normalize
            assert not self.training
            assert color.shape == truth.shape == (1, 3, 24, 20)
            return (color - truth).abs().mean().view(1, 1, 1, 1)

    weights.touch()
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Network))
    measure, reason = load_lpips()
    assert measure is not None
    assert reason == ""
    assert measure(NOISE, NOISE + 0.25) == pytest.approx(0.25)


def test_the_angle_between_normals_is_exact_for_small_angles_and_does_not_depend_on_their_length() -> None:
    angle = torch.tensor([0.0, 1e-4, 0.5, torch.pi / 2, torch.pi])
    truth = torch.tensor([[1.0, 0.0, 0.0]]).expand(5, 3)
    turned = 3 * torch.stack([angle.cos(), angle.sin(), torch.zeros(5)], dim=1)
    for one, other, found in zip(turned, truth, angle, strict=True):
        assert mean_angle_deg(one[None], other[None]) == pytest.approx(math.degrees(float(found)), rel=1e-3, abs=1e-5)
    assert mean_angle_deg(torch.zeros(1, 3), truth[:1]) == 90.0
    assert mean_angle_deg(torch.zeros(0, 3), torch.zeros(0, 3)) is None
