"""A drive rendered from a trained model, in the layout of KITTI: a stand-in for images that cannot be had.

Calibration, GPS and labels are the sequence's own, the calibration for the size of the pictures. The pictures are
renderings, and a file beside them says so.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nsg_cluster.config.render import RenderConfig
from nsg_cluster.config.schema import Experiment
from nsg_cluster.core.errors import DataError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.drives.kitti import KittiFiles, kitti_files
from nsg_cluster.data.drives.kitti_files import read_calibration
from nsg_cluster.data.drives.kitti_layout import copy_texts, write_calibration, write_image
from nsg_cluster.data.loaders import load_scene
from nsg_cluster.outputs.countdown import Countdown
from nsg_cluster.outputs.drive_path import drive_path
from nsg_cluster.outputs.pictures import color_picture, shade_of
from nsg_cluster.render.image import render_image
from nsg_cluster.training.checkpoint import load_model
from nsg_cluster.training.device import prepare_device

__all__ = ["render_stand_in"]

log = logging.getLogger(__name__)

LABEL = "RENDERED.txt"


def render_stand_in(
    experiment: Experiment, paths: TaskPaths, destination: Path, *, size: int, render: RenderConfig
) -> list[Path]:
    """Render the views of a KITTI drive into KITTI's layout, and return the pictures.

    Args:
        experiment: What the model was trained as.
        paths: Where its checkpoint is.
        destination: Root of the new folder.
        size: Width of the pictures; the height follows.
        render: Which frames and cameras.

    Raises:
        DataError: The model's data are no KITTI sequence, or its text files are missing.
        NsgError: The model cannot be loaded, or the folder cannot be written.
    """
    data = experiment.data
    if data.kind != "kitti":
        raise DataError(f"only a run on KITTI has KITTI's text files; this one is on data.kind '{data.kind}'")
    device = prepare_device(experiment.train)
    scene = load_scene(data, with_images=False)
    whole = scene.train.cameras
    height = max(1, round(whole.height * size / whole.width))
    source = kitti_files(data)
    target = KittiFiles(folder=destination / "training", sequence=data.sequence)
    copy_texts(source, target)
    calibration = read_calibration(source.calibration)
    by = np.array([[size / whole.width], [height / whole.height], [1.0]])
    write_calibration(target, replace(calibration, left=by * calibration.left, right=by * calibration.right))
    write_atomic(
        destination / LABEL,
        f"The images here are renderings of run {paths.root.parent.parent} ({experiment.name}: "
        f"{experiment.description}), not photographs of KITTI. Text files are KITTI's, CC BY-NC-SA 3.0; the "
        f"calibration is scaled to {size} x {height} pixels.\n",
    )
    model, _ = load_model(experiment, paths, scene)
    model.to(device)
    # The cameras are those that will be read back with the pictures.
    changed = data.model_copy(update={"root": str(destination), "image_size": (size, height)})
    path = drive_path(load_scene(changed, with_images=False), render)
    countdown = Countdown(paths, "stand-in", len(path.numbers), size * height)
    cameras, shade, written = path.cameras.to(device), shade_of(experiment.render.background), []
    for index, (camera, number) in enumerate(zip(path.camera_ids.tolist(), path.numbers, strict=True)):
        with torch.no_grad():
            rendering = render_image(model, cameras, index, background=shade, chunk=experiment.evaluate.chunk)
        written.append(write_image(target, camera, number, color_picture(rendering.color)))
        countdown.done(index + 1)
    return written
