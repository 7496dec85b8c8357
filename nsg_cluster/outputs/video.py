"""Videos, written frame by frame in constant memory: MP4 for browsers, and GIF.

A video is written under a temporary name and takes its own when it is finished; without that, nothing is left.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import PIL.GifImagePlugin
import PIL.Image
from jaxtyping import UInt8

from nsg_cluster.core.errors import MachineError, RunError

__all__ = ["GifVideo", "Mp4Video", "Video", "check_ffmpeg"]

Frame = UInt8[np.ndarray, "height width 3"]
# Constant quality: 0 is lossless, 23 the encoder's default, and renderings have fine, hard edges.
QUALITY_CRF = 17
# Browsers slow down a GIF whose frames last less than 2 hundredths of a second.
GIF_SHORTEST_CS = 2


def check_ffmpeg() -> None:
    """Make sure that MP4 files can be written.

    Raises:
        MachineError: There is no ffmpeg program.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise MachineError(
            "render.formats: mp4 needs the program ffmpeg, and there is none: install the package imageio-ffmpeg that "
            "brings it, or set IMAGEIO_FFMPEG_EXE to its path, or take mp4 out of render.formats"
        ) from None


class Video(ABC):
    """A file to which frames are added; a context manager that removes what was not finished."""

    def __init__(self, path: Path, fps: int) -> None:
        self._path, self._fps = path, fps
        self._part = path.with_name(f"{path.name}.part")
        self._frames = 0

    def add(self, frame: Frame) -> None:
        """Add a frame; all are of the same size.

        Raises:
            RunError: It cannot be written.
        """
        with self._told():
            self._write(frame)
        self._frames += 1

    def finish(self) -> Path:
        """Complete the file, which has at least one frame, and return its path.

        Raises:
            RunError: It cannot be written.
        """
        with self._told():
            self._complete()
            self._part.replace(self._path)
        return self._path

    def __enter__(self) -> Video:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not finished."""
        with contextlib.suppress(OSError):
            self._end()
        self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"{self._path}: cannot be written: {error.strerror or error}") from None

    @abstractmethod
    def _write(self, frame: Frame) -> None:
        """Write one frame to the temporary file."""

    @abstractmethod
    def _end(self) -> None:
        """Write what belongs after the last frame and close the file; nothing the second time."""

    def _complete(self) -> None:
        """End the file, and raise an OSError if it is not complete."""
        self._end()


class Mp4Video(Video):
    """H.264 in the form that every browser plays; an odd size is made even by repeating the last row or column."""

    _encoder: Generator[None, bytes, None] | None = None

    def _write(self, frame: Frame) -> None:
        height, width, _ = frame.shape
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._encoder is None:
            self._encoder = self._start(width=even.shape[1], height=even.shape[0])
        self._encoder.send(even.tobytes())

    def _start(self, *, width: int, height: int) -> Generator[None, bytes, None]:
        import imageio_ffmpeg

        encoder: Generator[None, bytes, None] = imageio_ffmpeg.write_frames(
            self._part,
            (width, height),
            fps=self._fps,
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level="error",
            output_params=["-crf", str(QUALITY_CRF), "-movflags", "+faststart", "-f", "mp4"],
        )
        next(encoder)
        return encoder

    def _end(self) -> None:
        if self._encoder is not None:
            self._encoder.close()

    def _complete(self) -> None:
        """End the file and count its frames: the encoder does not tell how it went."""
        import imageio_ffmpeg

        super()._complete()
        try:
            written, _ = imageio_ffmpeg.count_frames_and_secs(self._part)
        except RuntimeError:
            written = 0
        if written != self._frames:
            raise OSError(f"ffmpeg wrote {written} of {self._frames} frames; its message is in the log of errors")


class GifVideo(Video):
    """A GIF that loops; each frame has 256 colors of its own."""

    _file: IO[bytes] | None = None

    def _write(self, frame: Frame) -> None:
        image = _with_palette(frame)
        if self._file is None:
            self._file = self._part.open("wb")
            header, _ = PIL.GifImagePlugin.getheader(image, info={"loop": 0})
            self._file.writelines(header)
        self._file.writelines(
            PIL.GifImagePlugin.getdata(image, duration=10 * self._duration_cs(), include_color_table=True)
        )

    def _duration_cs(self) -> int:
        """Return hundredths of a second of the next frame, rounded so that the frames keep the rate on average."""
        ends = round(100 * (self._frames + 1) / self._fps)
        return max(ends - round(100 * self._frames / self._fps), GIF_SHORTEST_CS)

    def _end(self) -> None:
        if self._file is not None and not self._file.closed:
            with self._file:
                self._file.write(b";")


def _with_palette(frame: Frame) -> PIL.Image.Image:
    """Reduce a frame to 254 colors chosen for it, dithered; its white and black pixels, the background, stay exact."""
    image = PIL.Image.fromarray(frame)
    chosen = image.quantize(254, method=PIL.Image.Quantize.MEDIANCUT)
    indices = np.array(image.quantize(palette=chosen, dither=PIL.Image.Dither.FLOYDSTEINBERG))
    indices[(frame == 0).all(axis=-1)] = 254
    indices[(frame == 255).all(axis=-1)] = 255
    reduced = PIL.Image.fromarray(indices)
    colors = (chosen.getpalette() or [])[: 3 * 254]
    reduced.putpalette([*colors, *[0] * (3 * 255 - len(colors)), 255, 255, 255])
    return reduced
