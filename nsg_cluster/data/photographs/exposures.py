"""Exposures of photographs, and the split of HDR-NeRF (https://arxiv.org/abs/2111.14451).

Its images are named ``<view>_<number>``, where the number tells the exposure. *Stops* are doublings of the exposure
time over the usual one, which is the geometric mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from nsg_cluster.config.data import ExposedPhotographs
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.shots import Shots

__all__ = ["all_exposures", "exposed", "hold_out_exposures", "with_exposures"]

NUMBERED = re.compile(r"(.*)_(\d+)")


def exposed(config: ExposedPhotographs, shots: Shots) -> Shots:
    """Return photographs with their exposures by the table of the configuration, if it has one.

    Raises:
        DataError: A name ends in no number, or in one that the table does not have.
    """
    if config.exposures is None:
        return shots
    numbers = [_number(shots.file, image) for image in shots.images]
    for image, number in zip(shots.images, numbers, strict=True):
        if number >= len(config.exposures):
            raise DataError(
                f"{image}: its exposure has number {number}, and data.exposures lists {len(config.exposures)} from 0 "
                "on: add those that are missing"
            )
    return with_exposures(shots, [config.exposures[number] for number in numbers])


def with_exposures(shots: Shots, seconds: Sequence[float]) -> Shots:
    """Return photographs with exposure times."""
    stops = torch.tensor(seconds, dtype=torch.float64).log2()
    return replace(shots, stops=stops - stops.mean())


def all_exposures(file: Path, images: Sequence[Path], count: int) -> list[tuple[int, Path]]:
    """Return each existing exposure of listed views, with the index of the view that it shows.

    COLMAP may have registered one exposure of each view; the others were taken from the same place.

    Raises:
        DataError: A name ends in no number.
    """
    found: dict[Path, int] = {}
    for index, image in enumerate(images):
        stem = image.stem[: image.stem.rindex("_")] if _number(file, image) >= 0 else ""
        for number in range(count):
            other = image.with_name(f"{stem}_{number}{image.suffix}")
            if other == image or other.is_file():
                found.setdefault(other, index)
    return [(index, image) for image, index in found.items()]


def hold_out_exposures(shots: Shots) -> tuple[Shots, Shots]:
    """Return even exposures of even views to train on, and odd exposures of odd views, counted from 0 in name's order.

    Raises:
        DataError: A name ends in no number, or nothing is left for one of both.
    """
    views = sorted({_view(image) for image in shots.images})
    train: list[int] = []
    test: list[int] = []
    for index, image in enumerate(shots.images):
        view, number = views.index(_view(image)) % 2, _number(shots.file, image) % 2
        if view == number:
            (test if view else train).append(index)
    if not train or not test:
        raise DataError(
            f"{shots.file}: data.hold_out 'exposures' takes several exposures of at least two views; take 'every'"
        )
    return shots.chosen(train), shots.chosen(test)


def _view(image: Path) -> str:
    return image.stem.rpartition("_")[0]


def _number(file: Path, image: Path) -> int:
    """Return the number at the end of a name.

    Raises:
        DataError: There is none.
    """
    match = NUMBERED.fullmatch(image.stem)
    if match is None:
        raise DataError(f"{file}: {image.name}: no number of an exposure at its end, as in view_0{image.suffix}")
    return int(match[2])
