"""Batches of rays with the colors that they should have.

Color is premultiplied by alpha, so that over a background ``b`` it is ``color + (1 - alpha) * b``; an image without
alpha is opaque.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from nsg_cluster.data.scene import Views
from nsg_cluster.geometry.cameras import pixel_rays
from nsg_cluster.geometry.rays import Rays

__all__ = ["RayBatch", "RayBatches"]

SKY = "sky"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayBatch:
    """Rays and what was seen along them."""

    rays: Rays
    color: Float[Tensor, "rays 3"]
    """Premultiplied by alpha."""
    alpha: Float[Tensor, " rays"]
    """Coverage of the pixel, 0 to 1."""
    seen: Bool[Tensor, " rays"] | None = None
    """Whether the color is to be learned; None where all are."""
    is_sky: Bool[Tensor, " rays"] | None = None
    """Whether the pixel shows the sky, where that is known."""

    def __getitem__(self, part: slice) -> RayBatch:
        """Return some of the rays."""
        seen = None if self.seen is None else self.seen[part]
        is_sky = None if self.is_sky is None else self.is_sky[part]
        return RayBatch(rays=self.rays[part], color=self.color[part], alpha=self.alpha[part], seen=seen, is_sky=is_sky)

    def over(self, background: Float[Tensor, "rays 3"]) -> Float[Tensor, "rays 3"]:
        """Return the color over a background."""
        return self.color + (1.0 - self.alpha)[:, None] * background

    def truth(self, background: Float[Tensor, "rays 3"], rendered: Float[Tensor, "rays 3"]) -> Float[Tensor, "rays 3"]:
        """Return the color over a background; where nothing is to be learned, what was rendered, as a constant."""
        known = self.over(background)
        return known if self.seen is None else torch.where(self.seen[:, None], known, rendered.detach())


class RayBatches:
    """Draws pixels of a split; the images stay on the device as 8 bits a channel."""

    def __init__(self, views: Views, device: torch.device | str) -> None:
        """Move images and cameras to ``device``, where the batches will be."""
        self.cameras = views.cameras.to(device)
        self.pixels = views.images.to(device).flatten(0, 2)
        self.seen = None if views.seen is None else views.seen.to(device).flatten()
        self.sky = _sky(views, device)
        self.num_frames = 1 if views.cameras.frames is None else int(views.cameras.frames.max()) + 1

    def draw(self, num_rays: int, generator: Generator) -> RayBatch:
        """Draw pixels uniformly over all images, with replacement; the batch depends on the generator's state alone."""
        return self.at(self.draw_pixels(num_rays, generator))

    def draw_pixels(
        self, num_rays: int, generator: Generator, *, one_image: bool = False, fraction: float = 1.0
    ) -> Int[Tensor, " rays"]:
        """Return the indices of drawn pixels.

        Args:
            num_rays: How many.
            generator: What the drawn pixels depend on.
            one_image: Draw all of them from one image, which is drawn first.
            fraction: Part of the width and of the height, around the middle, that they come from.
        """
        height, width = self.cameras.height, self.cameras.width
        if not one_image and fraction >= 1:
            return self._drawn(self.pixels.shape[0], num_rays, generator)
        images = self._drawn(len(self.cameras), 1 if one_image else num_rays, generator)
        rows, columns = (max(1, round(side * fraction)) for side in (height, width))
        place = self._drawn(rows * columns, num_rays, generator)
        row = (height - rows) // 2 + torch.div(place, columns, rounding_mode="floor")
        return (images * height + row) * width + (width - columns) // 2 + place % columns

    def draw_of_frame(self, frame: int, num_rays: int, generator: Generator) -> Int[Tensor, " rays"]:
        """Return the indices of pixels drawn uniformly from the images of one frame."""
        assert self.cameras.frames is not None
        images = torch.nonzero(self.cameras.frames == frame)[:, 0]
        pixels = self.cameras.height * self.cameras.width
        place = self._drawn(len(images) * pixels, num_rays, generator)
        return images[torch.div(place, pixels, rounding_mode="floor")] * pixels + place % pixels

    def _drawn(self, end: int, count: int, generator: Generator) -> Int[Tensor, " count"]:
        return torch.randint(end, (count,), generator=generator, device=generator.device).to(self.pixels.device)

    def image(self, index: int) -> RayBatch:
        """Return all pixels of one image, row by row."""
        pixels = self.cameras.height * self.cameras.width
        return self.at(torch.arange(index * pixels, (index + 1) * pixels, device=self.pixels.device))

    def at(self, pixels: Int[Tensor, " rays"]) -> RayBatch:
        """Return the pixels with the given indices, which count row by row and image by image."""
        values = self.pixels[pixels].float() / 255.0
        alpha = values[:, 3] if values.shape[1] == 4 else torch.ones_like(values[:, 0])
        rows = torch.div(pixels, self.cameras.width, rounding_mode="floor")
        images = torch.div(rows, self.cameras.height, rounding_mode="floor")
        return RayBatch(
            rays=pixel_rays(self.cameras, images, rows % self.cameras.height, pixels % self.cameras.width),
            color=values[:, :3] * alpha[:, None],
            alpha=alpha,
            seen=None if self.seen is None else self.seen[pixels],
            is_sky=None if self.sky is None else self.sky[pixels],
        )


def _sky(views: Views, device: torch.device | str) -> Bool[Tensor, " pixels"] | None:
    """Return which pixels show the sky; None where there are no class maps, or none that know of a sky."""
    names = [name.lower() for name in views.class_names]
    if views.classes is None or SKY not in names:
        return None
    return (views.classes == names.index(SKY)).flatten().to(device)
