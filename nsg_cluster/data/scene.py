"""What every loader returns: posed images, split into training and held-out views, and the box that holds the scene."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor

from nsg_cluster.geometry.cameras import Cameras

__all__ = ["Scene", "Views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Images of one split and the cameras that took them."""

    cameras: Cameras
    images: UInt8[Tensor, "images height width channels"]
    """RGB or RGBA with straight (not premultiplied) alpha, 8 bits a channel."""
    names: tuple[str, ...]
    """File stem or label of each image, unique within the split."""
    depth: Float[Tensor, "images height width"] | None = None
    """True distance along each pixel's ray in scene units, infinite where nothing is hit; where it is known."""

    def __len__(self) -> int:
        """Return the number of images."""
        return self.images.shape[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A data set, read."""

    train: Views
    test: Views
    box: Float[Tensor, "2 3"]
    """Lower and upper corner of the axis-aligned box that holds the scene, in world coordinates."""
    near: float
    """Distance along a ray before which nothing is seen."""
    far: float
    """Distance along a ray beyond which nothing is seen."""
    notes: tuple[str, ...] = ()
    """What a reader should know: views that were listed and are missing, files that were skipped."""
