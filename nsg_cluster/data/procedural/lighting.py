"""Light on painted solids, traced exactly: a distant lamp that casts shadows, a soft sky, highlights, reflections.

World axes: z up. Colors are linear until the last step, which stores them with a gamma of 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nsg_cluster.data.procedural.solids import Paint, Solid
from nsg_cluster.data.procedural.surroundings import light_from

__all__ = [
    "GAMMA",
    "LAMP",
    "Cluster",
    "Hit",
    "choose",
    "clustered",
    "first_hits",
    "linear_color",
    "normals_of",
    "plain",
    "shaded",
]

LAMP = np.array([0.42, -0.55, 0.95]) / np.linalg.norm([0.42, -0.55, 0.95])
"""Direction to the lamp."""
LAMP_LIGHT = 0.74
SKY_LIGHT = 0.36
GROUND_LIGHT = 0.20
SHININESS = 40.0
GAMMA = 2.2
# Shadow rays start this far off: more than what a solid takes for touching it.
OFF_SURFACE = 3e-4

Points = Float[np.ndarray, "points 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Solids that stand together, and the sphere that holds them: rays that miss it miss them all."""

    solids: tuple[Solid, ...]
    center: Float[np.ndarray, " 3"]
    reach: float

    def met_by(self, origins: Points, directions: Points) -> Int[np.ndarray, " rays"] | slice:
        """Return the rays that come into the sphere; all where there is one solid, which finds out itself."""
        if len(self.solids) == 1:
            return slice(None)
        to_center = self.center - origins
        along = np.einsum("ij,ij->i", to_center, directions)
        squared = np.einsum("ij,ij->i", to_center, to_center)
        return np.flatnonzero((squared < along * along + self.reach**2) & (along > -self.reach))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What rays meet first."""

    distance: Float[np.ndarray, " rays"]
    """Along the ray; infinite where it meets nothing."""
    solid: Int[np.ndarray, " rays"]
    """Index of the solid, counted through all clusters; -1 for none."""


def clustered(solids: Sequence[Solid]) -> Cluster:
    """Return solids as a cluster."""
    center = np.mean([solid.center for solid in solids], axis=0)
    reach = max(float(np.linalg.norm(np.asarray(solid.center) - center)) + solid.reach for solid in solids)
    return Cluster(solids=tuple(solids), center=center, reach=reach)


def first_hits(clusters: Sequence[Cluster], origins: Points, directions: Points) -> Hit:
    """Return the first solid that each ray meets; directions are of unit length."""
    distance, nearest = np.full(len(origins), np.inf), np.full(len(origins), -1)
    index = 0
    for cluster in clusters:
        rays = cluster.met_by(origins, directions)
        o, d = origins[rays], directions[rays]
        for solid in cluster.solids:
            reached = solid.distance(o, d)
            nearest[rays] = np.where(reached < distance[rays], index, nearest[rays])
            distance[rays] = np.minimum(distance[rays], reached)
            index += 1
    return Hit(distance=distance, solid=nearest)


def normals_of(clusters: Sequence[Cluster], hit: Hit, origins: Points, directions: Points) -> Points:
    """Return the outward normal of what each ray meets; 0 where it meets nothing."""
    solids = [solid for cluster in clusters for solid in cluster.solids]
    normals = np.zeros_like(origins)
    for index in np.unique(hit.solid[hit.solid >= 0]):
        seen = np.flatnonzero(hit.solid == index)
        normals[seen], _ = solids[index].surface(origins[seen] + hit.distance[seen, None] * directions[seen])
    return normals


def shaded(clusters: Sequence[Cluster], hit: Hit, origins: Points, directions: Points) -> Points:
    """Return the color of what each ray meets as it is stored in images; black where it meets nothing."""
    solids = [solid for cluster in clusters for solid in cluster.solids]
    met = np.flatnonzero(hit.solid >= 0)
    points = origins[met] + hit.distance[met, None] * directions[met]
    normals, albedo, gloss = np.zeros_like(points), np.zeros_like(points), np.zeros(len(met))
    reflected, mirror = np.zeros_like(points), np.zeros((len(met), 1))
    for index in np.unique(hit.solid[met]):
        seen, solid = np.flatnonzero(hit.solid[met] == index), solids[index]
        normals[seen], albedo[seen] = solid.surface(points[seen])
        gloss[seen] = solid.gloss
        if solid.mirror:
            mirror[seen] = solid.mirror
            reflected[seen] = light_from(_mirrored(directions[met[seen]], normals[seen]), solid.roughness)
    lit = np.maximum(normals @ LAMP, 0.0)
    lit[lit > 0] *= ~_in_shadow(clusters, (points + OFF_SURFACE * normals)[lit > 0])
    color = np.zeros_like(origins)
    highlight = gloss * (lit > 0) * _highlight(normals, directions[met])
    color[met] = _stored(_scattered(albedo, normals, lit), mirror, albedo * reflected, highlight)
    return color


def _scattered(albedo: Points, normals: Points, lit: Float[np.ndarray, " points"]) -> Points:
    """Return the light of lamp and sky that goes from a surface to every side."""
    sky = GROUND_LIGHT + (SKY_LIGHT - GROUND_LIGHT) * 0.5 * (1.0 + normals[:, 2])
    scattered: np.ndarray = albedo * (sky + LAMP_LIGHT * lit)[:, None]
    return scattered


def _stored(
    scattered: Points,
    mirror: Float[np.ndarray, "points 1"],
    reflected: Points,
    highlight: Float[np.ndarray, " points"],
) -> Points:
    """Return what is scattered, what is reflected by its share, and the highlight, ready to be stored."""
    linear = scattered * (1.0 - mirror) + highlight[:, None] + reflected * mirror
    stored: np.ndarray = np.clip(linear, 0.0, 1.0) ** (1.0 / GAMMA)
    return stored


def _mirrored(directions: Points, normals: Points) -> Points:
    """Return where rays go on that a mirror sends back."""
    along = np.einsum("ij,ij->i", directions, normals)
    away: np.ndarray = directions - 2.0 * along[:, None] * normals
    return away


def _highlight(normals: Points, directions: Points) -> Float[np.ndarray, " points"]:
    """Return the highlight of a shiny surface (Blinn-Phong)."""
    half = LAMP - directions
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    highlight: np.ndarray = np.maximum(np.einsum("ij,ij->i", normals, half), 0.0) ** SHININESS
    return highlight


def _in_shadow(clusters: Sequence[Cluster], points: Points) -> Bool[np.ndarray, " points"]:
    to_lamp = np.broadcast_to(LAMP, points.shape)
    dark = np.zeros(len(points), dtype=bool)
    for cluster in clusters:
        near = cluster.met_by(points, to_lamp)
        for solid in cluster.solids:
            dark[near] |= np.isfinite(solid.distance(points[near], to_lamp[near]))
    return dark


def linear_color(code: str) -> Float[np.ndarray, " 3"]:
    """Return linear light of a web color."""
    return (np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0) ** GAMMA


def plain(code: str) -> Paint:
    """Return a paint of one color."""
    return lambda p: np.broadcast_to(linear_color(code), p.shape)


def choose(first: Bool[np.ndarray, " points"], one: str, other: str) -> Points:
    """Return one web color where a mask says so, another one elsewhere."""
    return np.where(first[:, None], linear_color(one), linear_color(other))
