"""Volume rendering of samples that lie packed in ray order: compositing and the distortion loss.

Samples of ray ``r`` are ``offsets[r]`` to ``offsets[r + 1]``, nearest first; a ray may have none.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from nsg_cluster.ops.arguments import INDICES, Arguments
from nsg_cluster.ops.reference import volume as reference

__all__ = ["composite", "distortion"]


def composite(
    densities: Float[Tensor, " samples"],
    colors: Float[Tensor, "samples 3"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
    *,
    transmittance_threshold: float = 0.0,
) -> tuple[Float[Tensor, " samples"], Float[Tensor, "rays 3"], Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Sum colors along rays by the rendering quadrature (NeRF, eq. 3); differentiable in densities and colors.

    Args:
        densities: Density of each sample, per scene unit.
        colors: Color of each sample.
        starts: Distance at which each sample begins.
        ends: Distance at which each sample ends.
        offsets: First sample of each ray, and the total at the end.
        transmittance_threshold: A ray ends at the first sample that at most this fraction of its light reaches.

    Returns:
        Weight of each sample; and for each ray the color (no background), the opacity, and the sum of weight times
        midpoint.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device, or the threshold is out of range.
    """
    arguments = Arguments("composite")
    arguments.check("densities", densities, ("samples",))
    arguments.check("colors", colors, ("samples", 3))
    arguments.check("starts", starts, ("samples",))
    arguments.check("ends", ends, ("samples",))
    arguments.check("offsets", offsets, ("rays_plus_one",), INDICES)
    arguments.require(
        "transmittance_threshold",
        transmittance_threshold,
        allowed="0 or more and less than 1",
        fits=0 <= transmittance_threshold < 1,
    )
    return reference.composite(
        densities, colors, starts, ends, offsets, transmittance_threshold=transmittance_threshold
    )


def distortion(
    weights: Float[Tensor, " samples"],
    starts: Float[Tensor, " samples"],
    ends: Float[Tensor, " samples"],
    offsets: Int[Tensor, " rays_plus_one"],
) -> Float[Tensor, " rays"]:
    """Measure how spread out the weights of each ray are (mip-NeRF 360, eq. 15); differentiable in the weights.

    Raises:
        TypeError: A tensor has a wrong dtype.
        ValueError: A tensor has a wrong shape or device.
    """
    arguments = Arguments("distortion")
    arguments.check("weights", weights, ("samples",))
    arguments.check("starts", starts, ("samples",))
    arguments.check("ends", ends, ("samples",))
    arguments.check("offsets", offsets, ("rays_plus_one",), INDICES)
    return reference.distortion(weights, starts, ends, offsets)
