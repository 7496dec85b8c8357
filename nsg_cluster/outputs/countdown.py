"""How far a stage that renders image after image is: ``progress.json`` at most once a second, a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping

from nsg_cluster.core.files import write_json
from nsg_cluster.core.paths import TaskPaths
from nsg_cluster.core.units import format_duration

__all__ = ["Countdown"]

log = logging.getLogger(__name__)

SECONDS_BETWEEN_FILES = 1.0
SECONDS_BETWEEN_LINES = 10.0


class Countdown:
    """Counts the images of a stage."""

    def __init__(self, paths: TaskPaths, stage: str, images: int, rays_per_image: int) -> None:
        self._path, self._stage, self._images, self._rays_per_image = paths.progress, stage, images, rays_per_image
        self._began = time.monotonic()
        self._file = self._line = self._began

    def done(self, images: int, values: Mapping[str, float] | None = None) -> None:
        """Say that so many images are done; ``values`` go into the progress file as they are."""
        now, is_last = time.monotonic(), images == self._images
        rate = images / max(now - self._began, 1e-9)
        eta_s = (self._images - images) / rate
        if is_last or now - self._file >= SECONDS_BETWEEN_FILES:
            self._file = now
            position = {"stage": self._stage, "step": images, "steps": self._images, "steps_per_s": rate}
            times = {"rays_per_s": rate * self._rays_per_image, "eta_s": eta_s, "time": time.time()}
            write_json(self._path, {**position, **times, **(values or {})})
        # Whoever started this on a terminal draws there.
        if (is_last or now - self._line >= SECONDS_BETWEEN_LINES) and not sys.stdout.isatty():
            self._line = now
            figures = "".join(f"  {name} {value:.2f}" for name, value in (values or {}).items())
            left = format_duration(round(eta_s))
            log.info("%s: image %d/%d%s  %s left", self._stage, images, self._images, figures, left)
