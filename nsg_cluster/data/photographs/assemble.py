"""From photographs and their cameras to a scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.data import Photographs, UnsplitPhotographs
from nsg_cluster.core.files import absolute_path
from nsg_cluster.data.photographs.normalize import Similarity, camera_frame
from nsg_cluster.data.photographs.shots import Shots, check_cameras, existing, hold_out, read_views
from nsg_cluster.data.scene import Scene, Views

__all__ = ["cube", "moved", "scene_of_all", "scene_of_splits"]

Frame = Callable[[Float[Tensor, "images 3 4"]], Similarity]
Split = Callable[[Shots], tuple[Shots, Shots]]


def scene_of_all(
    config: UnsplitPhotographs,
    listed: Shots,
    *,
    frame: Frame = camera_frame,
    points: Float[Tensor, "points 3"] | None = None,
    split: Split | None = None,
) -> Scene:
    """Return the scene of photographs that are not split yet, in the frame that their cameras suggest.

    Args:
        config: What is held out, and how large images become.
        listed: The photographs; those that are missing are left out and told in the notes.
        frame: What frame cameras suggest.
        points: Points of the scene, where some are known; the notes tell whether they lie in the scene box.
        split: What is trained on and what is held out, where the data set says so itself.

    Raises:
        DataError: Images or cameras are of no use.
    """
    shots, notes = existing(listed)
    check_cameras(shots)
    if config.normalize == "cameras":
        similarity = frame(shots.camera_to_world)
        shots = moved(shots, similarity)
        points = None if points is None else similarity.points(points)
    notes += () if points is None else (_about_points(points, config.bound),)
    train, test = hold_out(shots, config.hold_out_every) if split is None else split(shots)
    scene = _scene(config, _read(config, train, test), cube(config.bound), notes)
    return scene if points is None else replace(scene, points=points.float())


def scene_of_splits(
    config: Photographs, train: Shots, test: Shots, box: Float[Tensor, "2 3"], *, notes: tuple[str, ...] = ()
) -> Scene:
    """Return the scene of photographs that are split already, in the frame that their poses have.

    ``notes`` come before those about images that are missing.

    Raises:
        DataError: Images or cameras are of no use.
    """
    (trained, missing), (held_out, more) = existing(train), existing(test)
    check_cameras(trained)
    return _scene(config, _read(config, trained, held_out), box, notes + missing + more)


def moved(shots: Shots, similarity: Similarity) -> Shots:
    """Return the photographs in another frame."""
    return shots.at(similarity.poses(shots.camera_to_world))


def cube(bound: float) -> Float[Tensor, "2 3"]:
    """Return the cube around the origin whose side is twice ``bound``."""
    corner = torch.full((3,), bound)
    return torch.stack([-corner, corner])


def _read(config: Photographs, train: Shots, test: Shots) -> tuple[Views, Views]:
    kept = None if config.cache is None else absolute_path(config.cache)
    return (
        read_views(train, downsample=config.downsample, max_views=config.max_train_views, cache=kept),
        read_views(test, downsample=config.downsample, max_views=config.max_test_views, cache=kept),
    )


def _scene(config: Photographs, views: tuple[Views, Views], box: Float[Tensor, "2 3"], notes: tuple[str, ...]) -> Scene:
    return Scene(train=views[0], test=views[1], box=box, near=config.near, far=config.far, notes=notes)


def _about_points(points: Float[Tensor, "points 3"], bound: float) -> str:
    """Return how many of the known points lie in the scene box: few mean that it is in the wrong place."""
    if not len(points):
        return "no point of the scene is known, so nothing tells whether the scene box is in the right place"
    inside = float((points.abs() <= bound).all(dim=1).float().mean())
    return f"{inside:.0%} of {len(points)} known points lie in the scene box"
