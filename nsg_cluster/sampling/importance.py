"""Places on rays drawn where earlier weights are large.

``s`` is normalized distance, 0 at the near and 1 at the far end of a ray; *edges* bound the intervals between them.
Source: Barron et al., mip-NeRF 360, https://arxiv.org/abs/2111.12077.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.ops.histogram import dilate_histogram, sample_histogram

__all__ = ["resample", "resample_dilated"]


def resample(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    count: int,
    *,
    jitter: Float[Tensor, " rays"] | None = None,
) -> Float[Tensor, "rays new_edges"]:
    """Return the edges of ``count`` intervals around places drawn from the weights (section 4 and supplement).

    The places divide the weight into equal shares; edges lie halfway between neighbors, and the outermost as far beyond
    the last place as the next one is before it, inside 0 to 1.

    Args:
        edges: Edges in ``s``, in order.
        weights: Weight of each interval.
        count: Number of new intervals.
        jitter: Place within its share, 0 to 1, the same for all shares of a ray; the middle by default.
    """
    within = edges.new_full((len(edges), 1), 0.5) if jitter is None else jitter[:, None]
    shares = (torch.arange(count, device=edges.device, dtype=edges.dtype) + within) / count
    places = sample_histogram(edges, weights, shares)
    if count == 1:
        return torch.cat([torch.zeros_like(places), torch.ones_like(places)], dim=1)
    middle = (places[:, 1:] + places[:, :-1]) / 2
    first = (2 * places[:, :1] - middle[:, :1]).clamp(min=0.0)
    last = (2 * places[:, -1:] - middle[:, -1:]).clamp(max=1.0)
    return torch.cat([first, middle, last], dim=1)


def resample_dilated(
    edges: Float[Tensor, "rays edges"],
    weights: Float[Tensor, "rays bins"],
    count: int,
    *,
    dilation: float,
    padding: float,
    exponent: float,
    jitter: Float[Tensor, " rays"] | None = None,
) -> Float[Tensor, "rays new_edges"]:
    """Resample a histogram made forgiving: widened, no weight zero, and flattened by an exponent below 1 (eq. 18).

    Args:
        edges: Edges in ``s``, in order.
        weights: Weight of each interval; they sum to at most one.
        count: Number of new intervals.
        dilation: Length in ``s`` by which intervals grow on both sides; 0 for none.
        padding: Added to each weight.
        exponent: Power to which weights are raised; 0 makes them equal.
        jitter: Place within its share, 0 to 1; the middle by default.
    """
    if dilation > 0:
        edges, weights = dilate_histogram(edges, weights, dilation, lowest=0.0, highest=1.0)
    # Widened intervals overlap, which leaves some of no length between them: nothing stands there.
    flattened = torch.where(edges.diff(dim=1) > 0, (weights + padding) ** exponent, 0.0)
    return resample(edges, flattened, count, jitter=jitter)
