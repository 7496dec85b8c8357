"""Where rays meet a surface, how it is turned, and what it is made of: median depth, normals, materials of rays.

The normal of a ray is the mean of the normals of its samples by their weights, made a unit vector.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.rays import Rays
from nsg_cluster.render.rendering import HasMaterials, HasNormals, Materials, Rendering
from nsg_cluster.render.volume import keep_samples

__all__ = ["median_depth", "ray_materials", "ray_normals"]

_TINY = 1e-20
SMALLEST_WEIGHT = 0.01
"""Samples that make up less of a ray than this say nothing about its normal: most samples, and none that is seen."""


def median_depth(rendering: Rendering) -> Float[Tensor, " rays"]:
    """Return the distance in front of which half of the light that is stopped has been stopped; 0 where none is.

    The light of an interval is stopped evenly along it, that of a point where it is.
    """
    samples, weights = rendering.samples, rendering.weights.double()
    if len(samples) == 0:
        return torch.zeros_like(rendering.opacity)
    # One running sum over all rays, each ray's own start taken off; double precision, because it grows with every ray.
    running = torch.cat([weights.new_zeros(1), weights.cumsum(0)])
    first = running[samples.offsets[:-1]]
    stopped = running[samples.offsets[1:]] - first
    half = first + 0.5 * stopped
    found = torch.searchsorted(running, half, right=True) - 1
    found = found.clamp(max=len(samples) - 1)
    within = ((half - running[found]) / weights[found].clamp(min=_TINY)).clamp(0, 1).to(samples.starts.dtype)
    starts = samples.starts[found]
    depth = starts if samples.are_points else starts + within * (samples.ends[found] - starts)
    return torch.where(stopped > 0, depth, torch.zeros_like(depth))


def ray_normals(model: HasNormals, rays: Rays, rendering: Rendering) -> Float[Tensor, "rays 3"]:
    """Return the unit normal that each ray sees; 0 where it sees no surface.

    Args:
        model: What was rendered.
        rays: As they were rendered.
        rendering: What came of it.
    """
    kept = rendering.weights > SMALLEST_WEIGHT
    samples = keep_samples(rendering.samples, kept)
    total = torch.zeros_like(rays.directions)
    if len(samples) == 0:
        return total
    normals = model.normals(rays, samples)
    total = total.index_add(0, samples.rays, rendering.weights[kept][:, None] * normals)
    unit: Tensor = total / total.norm(dim=1, keepdim=True).clamp(min=_TINY)
    return unit


def ray_materials(model: HasMaterials, rays: Rays, rendering: Rendering) -> Materials:
    """Return the materials that each ray sees, means of those of its samples by their weights; 0 where there are none.

    Args:
        model: What was rendered.
        rays: As they were rendered.
        rendering: What came of it.
    """
    kept = rendering.weights > SMALLEST_WEIGHT
    samples = keep_samples(rendering.samples, kept)
    total = rays.directions.new_zeros(len(rays), 8)
    if len(samples) > 0:
        found = model.materials(rays, samples)
        ones = torch.ones_like(found.roughness)[:, None]
        values = torch.cat([found.diffuse, found.reflected, found.roughness[:, None], ones], dim=1)
        total = total.index_add(0, samples.rays, rendering.weights[kept][:, None] * values)
    mean = total[:, :7] / total[:, 7:].clamp(min=_TINY)
    return Materials(diffuse=mean[:, :3], reflected=mean[:, 3:6], roughness=mean[:, 6])
