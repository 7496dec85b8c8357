"""What every loader returns: posed images, split into training and held-out views, and the box that holds the scene.

In a scene that moves, ``cameras.frames`` gives the moment of each image as an index of `Scene.frame_numbers`, and
`Scene.tracks` says which object is where at that index. Views of one moment by several cameras share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, Int16, UInt8
from torch import Tensor

from nsg_cluster.geometry.cameras import Cameras
from nsg_cluster.geometry.tracks import ObjectTracks

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
    normals: Float[Tensor, "images height width 3"] | None = None
    """True outward unit normal of what each pixel shows, in world coordinates, 0 where nothing is hit; where known."""
    instances: Int16[Tensor, "images height width"] | None = None
    """Track that each pixel shows, as an index of the scene's tracks; -1 for none of them. Where it is known."""
    seen: Bool[Tensor, "images height width"] | None = None
    """Where there is something to be learned and to be measured; None for everywhere."""
    classes: Int16[Tensor, "images height width"] | None = None
    """Class that each pixel shows, as an index of `class_names`; -1 where it is unknown. Where there are such maps."""
    class_names: tuple[str, ...] = ()
    """What the classes of the maps are called."""
    camera_ids: Int[Tensor, " images"] | None = None
    """Which camera took each image, as an index of the scene's camera names; None where there is one camera."""

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
    tracks: ObjectTracks | None = None
    """Objects that move; None where the data set knows of none."""
    frame_numbers: tuple[int, ...] = ()
    """What the data set calls each frame; empty where nothing moves."""
    camera_names: tuple[str, ...] = ()
    """Names of the cameras, such as left and right; empty where there is one camera."""
    points: Float[Tensor, "points 3"] | None = None
    """Points of the scene that the data set knows, in world coordinates; None where it knows of none."""
    has_background: bool = True
    """Whether there is anything beside the objects; where not, images are transparent there."""
