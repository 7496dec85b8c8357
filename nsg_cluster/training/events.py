"""Append scalars, notices and previews of a training to the run folder.

``events.jsonl`` holds one JSON object a line; TensorBoard gets the same scalars and the previews.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from nsg_cluster.core.errors import RunError, TrainingError
from nsg_cluster.core.files import append_jsonl, read_jsonl, write_atomic
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.data.images import encode_png

__all__ = ["Events", "disk_errors", "write_board"]

log = logging.getLogger(__name__)

Level = Literal["info", "warning", "error"]
LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a failed write to the run folder into the end of the training.

    Raises:
        TrainingError: The disk is full or cannot be written.
    """
    try:
        yield
    except (RunError, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        is_full = isinstance(cause, OSError) and cause.errno in FULL
        raise TrainingError(
            f"{'disk full' if is_full else 'cannot write'}: {error}; training stopped and the last good checkpoint is "
            "kept: make room, then resubmit the run"
        ) from error


class Events:
    """Writes events from one step on; a context manager that closes what it opened.

    Args:
        paths: Of the task.
        is_silent: Write nothing: another process does.
    """

    def __init__(self, paths: TaskPaths, *, is_silent: bool = False) -> None:
        self._paths, self.is_silent = paths, is_silent
        self._board: Any = None

    def begin(self, step: int) -> None:
        """Forget the scalars after ``step``, which will come again, and go on from there; notices stay."""
        self.close()
        if self.is_silent:
            return
        with disk_errors():
            self._paths.root.mkdir(parents=True, exist_ok=True)
            kept = [event for event in read_jsonl(self._paths.events) if "notice" in event or event["step"] <= step]
            write_atomic(self._paths.events, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))
            self._board = _summary_writer(self._paths.tensorboard, purge_step=step + 1)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line of scalars, and the same to TensorBoard."""
        with disk_errors():
            append_jsonl(self._paths.events, {"step": step, "time": time.time(), **values})
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def notice(self, step: int, text: str, level: Level = "info") -> None:
        """Append a sentence for people, and log it."""
        if self.is_silent:
            return
        log.log(LEVELS[level], "step %d: %s", step, text)
        with disk_errors():
            append_jsonl(self._paths.events, {"step": step, "time": time.time(), "notice": text, "level": level})

    def preview(self, step: int, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Keep a picture as PNG, and in TensorBoard."""
        with disk_errors():
            self._paths.previews.mkdir(parents=True, exist_ok=True)
            write_atomic(self._paths.previews / f"step-{step:08d}.png", encode_png(image))
            self._board.add_image("preview", image, step, dataformats="HWC")

    def __enter__(self) -> Events:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        board, self._board = self._board, None
        if board is not None:
            with disk_errors():
                board.close()


def write_board(
    paths: TaskPaths,
    step: int,
    *,
    scalars: Mapping[str, float],
    images: Mapping[str, UInt8[np.ndarray, "height width 3"]],
) -> None:
    """Add scalars and images of a finished training to TensorBoard."""
    with disk_errors():
        board = _summary_writer(paths.tensorboard, purge_step=step + 1)
        for name, value in scalars.items():
            board.add_scalar(name, value, step)
        for name, image in images.items():
            board.add_image(name, image, step, dataformats="HWC")
        board.close()


def _summary_writer(folder: Path, *, purge_step: int) -> Any:
    """Open TensorBoard's writer; its import is slow and warns about other packages, which is not our user's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(folder), purge_step=purge_step)
