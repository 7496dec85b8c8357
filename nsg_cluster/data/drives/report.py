"""What a drive has and lacks: files, objects through time, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nsg_cluster.config.driving import DrivingData, KittiData, StreetData, VKitti2Data
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.drives.drive import CAMERAS, Drive
from nsg_cluster.data.drives.kitti import kitti_files, kitti_images, read_kitti
from nsg_cluster.data.drives.protocols import split_moments
from nsg_cluster.data.drives.vkitti import VKittiFiles, read_vkitti, vkitti_images
from nsg_cluster.data.procedural.street import make_street
from nsg_cluster.geometry.boxes import mapped_points
from nsg_cluster.geometry.tracks import ObjectTracks

__all__ = [
    "DriveReport",
    "Missing",
    "TrackReport",
    "drive_files",
    "missing_texts",
    "read_drive",
    "report_on",
    "spread",
]

# The size of most images of both data sets, for where there are none to tell.
USUAL_SIZE = (1242, 375)
KITTI_PAGE = "https://www.cvlibs.net/datasets/kitti/eval_tracking.php"
VKITTI_PAGE = "https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/"
KITTI_DOWNLOADS = {
    "image_02": "left color images of tracking data set (15 GB)",
    "image_03": "right color images of tracking data set (15 GB)",
    "oxts": "GPS/IMU data (8 MB)",
    "calib": "camera calibration matrices of tracking data set (1 MB)",
    "label_02": "training labels of tracking data set (9 MB)",
}
STILL_M = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Files that are not there."""

    what: str
    count: int
    of: int
    first: str
    """Path of the first one."""
    source: str
    """Where to get them."""

    def sentence(self) -> str:
        """Return it in words."""
        which = self.first if self.of == 1 else f"{self.count} of {self.of}, the first is {self.first}"
        return f"{self.what}: {which}; it comes with: {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackReport:
    """One object through time; frames are called as the data set calls them."""

    id: int
    class_name: str
    size: tuple[float, float, float]
    """Length, height and width in meters."""
    first_frame: int
    last_frame: int
    frames: int
    """Frames in which it has a box."""
    way_m: float
    """From its first place to its last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveReport:
    """What a drive has, and what is odd about it."""

    frames: int
    images: int
    size: tuple[int, int]
    train_moments: int
    test_moments: int
    way_m: float
    """Length of the way of the first camera."""
    tracks: tuple[TrackReport, ...]
    missing: tuple[Missing, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def read_drive(config: DrivingData) -> Drive:
    """Read cameras and objects of a drive, whether or not its images are there.

    Raises:
        DataError: A text file is missing or broken.
    """
    if isinstance(config, StreetData):
        return make_street(config).drive
    read = read_kitti if isinstance(config, KittiData) else read_vkitti
    try:
        return read(config)  # type: ignore[arg-type]
    except DataError as error:
        if config.image_size is not None or "images exists" not in str(error):
            raise
        return read(config.model_copy(update={"image_size": USUAL_SIZE}))  # type: ignore[arg-type]


def drive_files(config: DrivingData, drive: Drive) -> list[Path] | None:
    """Return the image file of each view; None for a street, which has none."""
    if isinstance(config, KittiData):
        return kitti_images(config, drive)
    return vkitti_images(config, drive) if isinstance(config, VKitti2Data) else None


def report_on(config: DrivingData, drive: Drive) -> DriveReport:
    """Return what a drive has, lacks, and what is odd about it."""
    path = drive.cameras[: len(drive.frame_numbers)].camera_to_world[:, :, 3]
    split, remarks = None, list(drive.notes)
    try:
        split = split_moments(config, len(drive.frame_numbers))
    except DataError as error:
        remarks.append(str(error))
    return DriveReport(
        frames=len(drive.frame_numbers),
        images=len(drive.cameras),
        size=(drive.cameras.width, drive.cameras.height),
        train_moments=len(split.train) if split else 0,
        test_moments=len(split.test) if split else 0,
        way_m=_way(path),
        tracks=tuple(_tracks(drive)),
        missing=tuple(_missing(config, drive)),
        remarks=(*remarks, *_odd(drive, path)),
    )


def missing_texts(config: DrivingData) -> list[Missing]:
    """Return the text files without which nothing can be read, or the folder that they should be in."""
    if isinstance(config, StreetData):
        return []
    if not Path(config.root).is_dir():
        source = f"{KITTI_PAGE} (KITTI tracking)" if isinstance(config, KittiData) else VKITTI_PAGE
        return [Missing(what="the folder of the data set", count=1, of=1, first=config.root, source=source)]
    if isinstance(config, KittiData):
        files = kitti_files(config)
        paths = [files.calibration, files.oxts, files.labels]
        sources = [f"{KITTI_DOWNLOADS[path.parent.name]} at {KITTI_PAGE}" for path in paths]
    else:
        folder = VKittiFiles(folder=Path(config.root) / f"Scene{config.scene}" / config.variant)
        paths = [folder.table(name) for name in ("intrinsic", "extrinsic", "pose", "info")]
        sources = [f"vkitti_2.0.3_textgt.tar.gz at {VKITTI_PAGE}"] * len(paths)
    return [
        Missing(what=f"{path.parent.name}/{path.name}", count=1, of=1, first=str(path), source=source)
        for path, source in zip(paths, sources, strict=True)
        if not path.is_file()
    ]


def _missing(config: DrivingData, drive: Drive) -> Iterator[Missing]:
    files = drive_files(config, drive)
    if files is None:
        return
    for camera in sorted(set(drive.camera_ids.tolist())):
        mine = [file for file, owner in zip(files, drive.camera_ids.tolist(), strict=True) if owner == camera]
        gone = [file for file in mine if not file.is_file()]
        if gone:
            source = (
                f"{KITTI_DOWNLOADS[f'image_0{camera + 2}']} at {KITTI_PAGE}"
                if isinstance(config, KittiData)
                else f"vkitti_2.0.3_rgb.tar at {VKITTI_PAGE}"
            )
            what = f"images of the {CAMERAS[camera]} camera"
            yield Missing(what=what, count=len(gone), of=len(mine), first=str(gone[0]), source=source)


def _tracks(drive: Drive) -> Iterator[TrackReport]:
    tracks = drive.tracks
    for index, track in enumerate(tracks.ids):
        mine = torch.nonzero(tracks.owners == index)[:, 0]
        frames = [drive.frame_numbers[frame] for frame in tracks.frames[mine].tolist()]
        places = tracks.object_to_world[mine][:, :, 3]
        length, height, width = tracks.sizes[index].tolist()
        yield TrackReport(
            id=track,
            class_name=tracks.class_names[int(tracks.classes[index])],
            size=(length, height, width),
            first_frame=frames[0],
            last_frame=frames[-1],
            frames=len(frames),
            way_m=float((places[-1] - places[0]).norm()),
        )


def _way(path: Float[Tensor, "frames 3"]) -> float:
    return float(path.diff(dim=0).norm(dim=-1).sum())


def _odd(drive: Drive, path: Float[Tensor, "frames 3"]) -> Iterator[str]:
    """Yield what a user may not expect; all of it can be trained on."""
    if float((path - path[0]).norm(dim=-1).max()) < STILL_M:
        yield "the cameras stand still: depth of what does not move rests on the distance between the two cameras"
    tracks, numbers = drive.tracks, drive.frame_numbers
    empty = [number for number, slots in zip(numbers, tracks.table.tolist(), strict=True) if max(slots) < 0]
    if empty:
        yield f"{len(empty)} of {len(numbers)} frames have no object, the first is {empty[0]}"
    for track, gaps in _gaps(drive):
        yield f"track {track} vanishes and comes back; it has no box in {gaps} frames between"
    inside = _cameras_inside(drive)
    if inside:
        yield f"a camera is inside the box of track {inside[0][1]} in frame {inside[0][0]} ({len(inside)} such cases)"
    pairs = list(_overlaps(tracks))
    if pairs:
        frame, first, second = pairs[0]
        yield (
            f"boxes overlap in {len(pairs)} cases, the first are those of tracks {first} and {second} in frame "
            f"{numbers[frame]}: what lies in both belongs to both"
        )


def _gaps(drive: Drive) -> Iterator[tuple[int, int]]:
    tracks = drive.tracks
    for index, track in enumerate(tracks.ids):
        frames = tracks.frames[tracks.owners == index].tolist()
        missing = frames[-1] - frames[0] + 1 - len(set(frames))
        if missing:
            yield track, missing


def _cameras_inside(drive: Drive) -> list[tuple[int, int]]:
    """Return the frame and the track of each camera that is inside a box."""
    tracks, found = drive.tracks, []
    maps = tracks.world_to_box
    for place, moment in zip(drive.cameras.camera_to_world[:, :, 3], drive.moments.tolist(), strict=True):
        boxes = torch.tensor([box for box in tracks.table[moment].tolist() if box >= 0], dtype=torch.long)
        inside = mapped_points(maps, place.expand(len(boxes), 3), boxes).abs().amax(-1) < 1
        found += [(drive.frame_numbers[moment], tracks.ids[int(tracks.owners[box])]) for box in boxes[inside].tolist()]
    return found


def _overlaps(tracks: ObjectTracks) -> Iterator[tuple[int, int, int]]:
    """Yield frame and both tracks of each pair of boxes that share space.

    Boxes that turn about one common axis are apart exactly if a face of one of them lies between them (the theorem of
    separating axes).
    """
    maps, corners = tracks.world_to_box, tracks.corners(with_margin=True)
    for frame, slots in enumerate(tracks.table.tolist()):
        boxes = [box for box in slots if box >= 0]
        for position, first in enumerate(boxes):
            for second in boxes[position + 1 :]:
                if not (_apart(maps[first], corners[second]) or _apart(maps[second], corners[first])):
                    yield frame, tracks.ids[int(tracks.owners[first])], tracks.ids[int(tracks.owners[second])]


def _apart(world_to_box: Float[Tensor, "3 4"], corners: Float[Tensor, "8 3"]) -> bool:
    """Return whether a face of one box has all corners of another one outside."""
    inside = corners @ world_to_box[:, :3].T + world_to_box[:, 3]
    return bool(((inside.amin(0) > 1) | (inside.amax(0) < -1)).any())


def spread(items: Sequence[int], count: int) -> list[int]:
    """Return so many of some items, evenly chosen, the first and the last among them."""
    if count >= len(items):
        return list(items)
    if count == 1:
        return [items[len(items) // 2]]
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]
