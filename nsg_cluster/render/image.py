"""A whole image, rendered in chunks of bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.geometry.cameras import Cameras, image_rays
from nsg_cluster.render.rendering import HasMaterials, HasNormals, Materials, RadianceModel
from nsg_cluster.render.surface import median_depth, ray_materials, ray_normals

__all__ = ["ImageRendering", "render_image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRendering:
    """An image on the CPU, the top row first."""

    color: Float[Tensor, "height width 3"]
    """Over the background, 0 to 1."""
    opacity: Float[Tensor, "height width"]
    """Share of a pixel's light that is stopped in the scene."""
    depth: Float[Tensor, "height width"]
    """Expected distance along the pixel's ray in scene units; 0 where opacity is 0."""
    median_depth: Float[Tensor, "height width"]
    """Distance at which half of what is stopped of a pixel's light has been stopped; 0 where opacity is 0."""
    normals: Float[Tensor, "height width 3"] | None = None
    """Unit normals in world coordinates, 0 where nothing is seen; where they are asked for."""
    materials: Materials | None = None
    """What is seen is made of, where it is asked for."""
    node_opacity: Float[Tensor, "height width nodes"] | None = None
    """Share of each node of a scene graph, the background's first; where it is asked for."""


def render_image(
    model: RadianceModel,
    cameras: Cameras,
    image: int,
    *,
    background: float,
    chunk: int,
    transmittance_threshold: float = 0.0,
    with_normals: bool = False,
    with_materials: bool = False,
    with_nodes: bool = False,
) -> ImageRendering:
    """Render one camera's image, ``chunk`` rays at a time; rays are made on the device of ``cameras``.

    Args:
        model: In evaluation mode, on the same device.
        cameras: Where to look from.
        image: Which of the cameras.
        background: Shade behind the scene, from black (0) to white (1).
        chunk: Rays rendered at once, on which memory depends.
        transmittance_threshold: A ray ends where less than this fraction of its light is left.
        with_normals: Ask the model how its density changes where it was seen.
        with_materials: Ask the model what the surfaces are made of.
        with_nodes: Keep the share of each node of a scene graph.
    """
    pixels = cameras.height * cameras.width
    color, opacity, depth, median = torch.empty(pixels, 3), *(torch.empty(pixels) for _ in range(3))
    normals = torch.empty(pixels, 3) if with_normals else None
    materials: list[Materials] = []
    nodes: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, pixels, chunk):
            rays = image_rays(cameras, image, first=first, count=chunk)
            rendering = model.render_rays(
                rays,
                background=torch.full_like(rays.directions, background),
                transmittance_threshold=transmittance_threshold,
            )
            part = slice(first, first + len(rays))
            color[part], opacity[part], depth[part] = rendering.color, rendering.opacity, rendering.depth
            median[part] = median_depth(rendering)
            if normals is not None:
                assert isinstance(model, HasNormals), "the configuration has asked a model that has normals"
                normals[part] = ray_normals(model, rays, rendering)
            if with_materials:
                assert isinstance(model, HasMaterials), "the configuration has asked a model that has materials"
                materials.append(ray_materials(model, rays, rendering))
            if with_nodes and rendering.node_opacity is not None:
                nodes.append(rendering.node_opacity.cpu())
    shape = (cameras.height, cameras.width)
    return ImageRendering(
        color=color.clamp(0, 1).view(*shape, 3),
        opacity=opacity.clamp(0, 1).view(shape),
        depth=depth.view(shape),
        median_depth=median.view(shape),
        normals=None if normals is None else normals.view(*shape, 3),
        materials=_joined(materials, shape) if materials else None,
        node_opacity=torch.cat(nodes).view(*shape, -1) if nodes else None,
    )


def _joined(parts: list[Materials], shape: tuple[int, int]) -> Materials:
    """Return the materials of the chunks of an image, on the CPU."""
    return Materials(
        diffuse=torch.cat([part.diffuse for part in parts]).cpu().view(*shape, 3),
        reflected=torch.cat([part.reflected for part in parts]).cpu().view(*shape, 3),
        roughness=torch.cat([part.roughness for part in parts]).cpu().view(shape),
    )
