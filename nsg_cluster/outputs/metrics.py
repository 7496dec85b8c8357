"""How near a rendered image is to the truth: PSNR, SSIM and LPIPS.

Images have colors from 0 to 1, as floating point numbers: renderings are not rounded to 8 bits before they are
compared. LPIPS needs the optional package ``lpips`` and weights that are already on this machine; nothing is ever
downloaded.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.training.progress import psnr_of

__all__ = ["load_lpips", "mean_angle_deg", "psnr", "ssim"]

Image = Float[Tensor, "height width 3"]
SSIM_SIGMA_PX = 1.5
# The Gaussian is cut off at 3.5 sigma, which makes a window of 11 pixels.
SSIM_WINDOW_PX = 11
VGG_WEIGHTS = "vgg16-397923af.pth"


def psnr(color: Float[Tensor, "*pixels 3"], truth: Float[Tensor, "*pixels 3"]) -> float:
    """Return the peak signal-to-noise ratio in dB of images or some pixels, at most 120 (which equal images have)."""
    return psnr_of(float((color.double() - truth.double()).square().mean()))


def ssim(color: Image, truth: Image) -> float | None:
    """Return the structural similarity, or None for images smaller than its window of 11 pixels.

    Gaussian window of sigma 1.5 pixels, population covariance, mean over channels: the setting of Wang et al., "Image
    Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004, section III-C.
    """
    # Slow to import, and a training without evaluation does not need it.
    from skimage.metrics import structural_similarity

    if min(truth.shape[:2]) < SSIM_WINDOW_PX:
        return None
    return float(
        structural_similarity(
            truth.double().numpy(),
            color.double().numpy(),
            gaussian_weights=True,
            sigma=SSIM_SIGMA_PX,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
    )


def mean_angle_deg(normals: Float[Tensor, "pixels 3"], truth: Float[Tensor, "pixels 3"]) -> float | None:
    """Return the mean angle between normals in degrees, or None where there are none; a normal of 0 is 90 off."""
    if len(truth) == 0:
        return None
    # The angle by both lengths of sum and difference, which is exact for small angles as the arc cosine is not.
    a, b = normals.double(), truth.double()
    lengths = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    angle = 2 * torch.atan2(
        (a * lengths[1] - b * lengths[0]).norm(dim=1), (a * lengths[1] + b * lengths[0]).norm(dim=1)
    )
    return float(torch.rad2deg(torch.where(lengths[0][:, 0] > 0, angle, torch.pi / 2)).mean())


def load_lpips() -> tuple[Callable[[Image, Image], float] | None, str]:
    """Return LPIPS with the VGG network (Zhang et al., arXiv:1801.03924), or None and the reason why it is absent."""
    weights = Path(torch.hub.get_dir()) / "checkpoints" / VGG_WEIGHTS
    # The package would download them.
    if not weights.is_file():
        return None, f"the weights of its VGG network are not at {weights}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = importlib.import_module("lpips").LPIPS(net="vgg", verbose=False).eval()
    # A torchvision that was built for another torch fails with a RuntimeError when it is imported.
    except (ImportError, OSError, RuntimeError) as error:
        return None, f"the optional package lpips cannot be used ({error})"
    return lambda color, truth: _distance(network, color, truth), ""


def _distance(network: Any, color: Image, truth: Image) -> float:
    with torch.no_grad():
        batches = (image.permute(2, 0, 1)[None].float() for image in (color, truth))
        return float(network(*batches, normalize=True))
