"""Images of a procedural street, traced: color averaged over subpixels, depth and masks through pixel centers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from nsg_cluster.config.driving import StreetData
from nsg_cluster.data.drives.drive import Drive
from nsg_cluster.data.drives.kitti import WORLD_AXES
from nsg_cluster.data.procedural.lighting import Cluster, clustered, first_hits, shaded
from nsg_cluster.data.procedural.scenery import CLASS_NAMES, is_road, scenery, sky_color
from nsg_cluster.data.procedural.vehicles import Vehicle, placed
from nsg_cluster.geometry.cameras import Cameras, image_rays

__all__ = ["Shot", "StreetImages"]

# How far houses stand beyond where the last car gets to.
AHEAD = 110.0
RAYS_AT_ONCE = 1 << 15
SKY, GROUND, ROAD = (CLASS_NAMES.index(name) for name in ("Sky", "Terrain", "Road"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One view, as it is stored and as it is."""

    image: UInt8[np.ndarray, "height width 3"]
    distance: Float[np.ndarray, "height width"]
    """Along the ray through the middle of each pixel; infinite in the sky."""
    tracks: Int[np.ndarray, "height width"]
    """Track of the vehicle that the middle of each pixel shows; -1 for none."""
    classes: Int[np.ndarray, "height width"]
    """Class that it shows, as an index of `scenery.CLASS_NAMES`."""


class StreetImages:
    """Traces views of a street."""

    def __init__(
        self,
        config: StreetData,
        movers: Sequence[tuple[int, Vehicle, Float[np.ndarray, "frames 4 4"]]],
        height_of_origin: float,
    ) -> None:
        """Put up houses and trees.

        Args:
            config: Supersampling, and the seed of the scenery.
            movers: Track, shape and poses (z up) of each vehicle.
            height_of_origin: Above the ground.
        """
        self._supersample = config.supersample
        self._movers = movers
        self._height = height_of_origin
        self._scenery = scenery(AHEAD + 0.6 * config.frames, config.seed)

    def shoot(self, drive: Drive, view: int) -> Shot:
        """Trace one view of a drive."""
        cameras = drive.cameras[view : view + 1]
        height, width, s = cameras.height, cameras.width, self._supersample
        clusters, owners, kinds = self._at(int(drive.moments[view]))
        origins, directions = self._rays(cameras)
        middle = first_hits(clusters, origins, directions)
        places = origins[:, 1] + np.where(middle.solid >= 0, middle.distance, 0.0) * directions[:, 1]
        fine = self._rays(cameras.resized(width=width * s, height=height * s))
        color = np.concatenate([_colors(clusters, *part) for part in zip(*map(_parts, fine), strict=True)])
        averaged = color.reshape(height, s, width, s, 3).mean(axis=(1, 3))
        return Shot(
            image=np.rint(averaged * 255.0).astype(np.uint8),
            distance=middle.distance.reshape(height, width),
            tracks=np.append(owners, -1)[middle.solid].reshape(height, width),
            classes=_classes(np.append(kinds, SKY)[middle.solid], places).reshape(height, width),
        )

    def _at(self, moment: int) -> tuple[list[Cluster], Int[np.ndarray, " solids"], Int[np.ndarray, " solids"]]:
        """Return all that stands on the street at a moment, the track (-1 for scenery) and class of each solid."""
        clusters = [cluster for _, cluster in self._scenery]
        owners = [-1 for cluster in clusters for _ in cluster.solids]
        kinds = [CLASS_NAMES.index(name) for name, cluster in self._scenery for _ in cluster.solids]
        for track, vehicle, poses in self._movers:
            pose = poses[moment].copy()
            pose[2, 3] += self._height
            parts = placed(vehicle, pose)
            clusters.append(clustered(parts))
            owners += [track] * len(parts)
            kinds += [CLASS_NAMES.index(vehicle.label)] * len(parts)
        return clusters, np.array(owners), np.array(kinds)

    def _rays(self, cameras: Cameras) -> tuple[Float[np.ndarray, "rays 3"], Float[np.ndarray, "rays 3"]]:
        """Return the rays of a view where the ground is z = 0."""
        rays = image_rays(cameras, 0)
        axes = WORLD_AXES[:3, :3]
        origins = rays.origins.double().numpy() @ axes
        origins[:, 2] += self._height
        return origins, rays.directions.double().numpy() @ axes


def _classes(kinds: Int[np.ndarray, " rays"], places: Float[np.ndarray, " rays"]) -> Int[np.ndarray, " rays"]:
    """Return classes in which the ground is road where it is between the curbs, given places across the street."""
    return np.where((kinds == GROUND) & is_road(places), ROAD, kinds)


def _parts(values: Float[np.ndarray, "rays 3"]) -> list[Float[np.ndarray, "part 3"]]:
    """Return runs of rays that are short enough to stay in a processor's cache."""
    return [values[start : start + RAYS_AT_ONCE] for start in range(0, len(values), RAYS_AT_ONCE)]


def _colors(
    clusters: Sequence[Cluster], origins: Float[np.ndarray, "rays 3"], directions: Float[np.ndarray, "rays 3"]
) -> Float[np.ndarray, "rays 3"]:
    hit = first_hits(clusters, origins, directions)
    return np.where((hit.solid < 0)[:, None], sky_color(directions), shaded(clusters, hit, origins, directions))
