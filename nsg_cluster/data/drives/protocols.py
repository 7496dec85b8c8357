"""Benchmark protocols by name: which frames of a drive are used, and which moments are held out.

SUDS: the frames and counts of hturki/suds, ``scripts/configs/paper`` and ``get_val_frames``; MARS: ``split_setting`` of
OPEN-AIR-SUN/mars; the paper of Neural Scene Graphs: what its author tells in issue 7 of its repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsg_cluster.config.driving import DrivingData, KittiData, VKitti2Data, frame_ranges
from nsg_cluster.core.errors import DataError

__all__ = ["Split", "chosen_frames", "split_moments"]

NSG_FRAMES = {"kitti 0001": "380-431", "kitti 0002": "140-224", "kitti 0006": "0-20, 65-120"}
SUDS_FRAMES = {
    "kitti 0001": "380-431",
    "kitti 0002": "140-224",
    "kitti 0006": "65-120",
    "vkitti2 02": "100-200",
    "vkitti2 06": "0-100",
    "vkitti2 18": "273-338",
}
FRAMES = {
    "nsg_paper": NSG_FRAMES,
    "reconstruction": SUDS_FRAMES | NSG_FRAMES,
    "suds_75": SUDS_FRAMES,
    "suds_50": SUDS_FRAMES,
    "suds_25": SUDS_FRAMES,
    "mars": {"kitti 0006": "65-120", "vkitti2 06": "0-237"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Moments, as indices of the frames that are used."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def chosen_frames(config: KittiData | VKitti2Data, available: int) -> tuple[int, ...]:
    """Return the frames to use: those of the configuration, of the protocol, or all.

    Raises:
        DataError: A frame is beyond the last one.
    """
    drive = f"{config.kind} {config.sequence if isinstance(config, KittiData) else config.scene}"
    text = config.frames or FRAMES[config.protocol].get(drive, f"0-{available - 1}")
    ranges = frame_ranges(text)
    if ranges[-1][1] >= available:
        whose = "data.frames" if config.frames else f"the frames of protocol {config.protocol}"
        raise DataError(f"{whose} ({text}) go beyond the last frame of {drive}, which is {available - 1}")
    return tuple(frame for first, last in ranges for frame in range(first, last + 1))


def split_moments(config: DrivingData, count: int) -> Split:
    """Return which of so many moments are trained on and which are held out.

    Raises:
        DataError: Nothing would be left to train on.
    """
    test = tuple(_held_out(config, count))
    kept = set(test)
    train = tuple(index for index in range(count) if index not in kept)
    if config.hold_out_every is None and config.protocol == "reconstruction":
        return Split(train=train, test=train)
    if not test:
        raise DataError(
            f"data.protocol {config.protocol} holds out nothing of {count} frames; "
            "use more frames, set data.hold_out_every, or choose protocol reconstruction"
        )
    return Split(train=train, test=test)


def _held_out(config: DrivingData, count: int) -> Sequence[int]:
    if config.hold_out_every is not None:
        return range(config.hold_out_every - 1, count, config.hold_out_every)
    if config.protocol == "suds_25":
        return [index for index in range(count) if index % 4]
    return {
        "nsg_paper": range(10, count, 10),
        "suds_75": range(4, count, 4),
        "suds_50": range(2, count, 2),
        "mars": range(3, count, 4),
        "reconstruction": range(0),
    }[config.protocol]
