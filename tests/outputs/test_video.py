"""Videos."""

from __future__ import annotations

import gc
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest

from nsg_cluster.core.errors import MachineError, RunError
from nsg_cluster.outputs.video import GifVideo, Mp4Video, Video, check_ffmpeg

KINDS: list[type[Video]] = [Mp4Video, GifVideo]


def frames(count: int, height: int = 32, width: int = 48) -> Iterator[np.ndarray]:
    """A blue disc that moves to the right over white."""
    y, x = np.mgrid[:height, :width]
    for index in range(count):
        frame = np.full((height, width, 3), 255, dtype=np.uint8)
        frame[(x - 8 - 2 * index) ** 2 + (y - height // 2) ** 2 < 36] = [20, 60, 200]
        yield frame


def write(kind: type[Video], path: Path, pictures: Iterator[np.ndarray], fps: int = 25) -> Path:
    with kind(path, fps) as video:
        for picture in pictures:
            video.add(picture)
        return video.finish()


def decoded(path: Path) -> tuple[str, np.ndarray]:
    """Return what ffmpeg says of a video, and its frames."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    argv = [program, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(argv, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    said = next(line for line in done.stderr.decode().splitlines() if "Video:" in line)
    size = re.search(r" ([1-9]\d*)x(\d+)", said)
    assert size is not None
    return said, np.frombuffer(done.stdout, dtype=np.uint8).reshape(-1, int(size[2]), int(size[1]), 3)


def test_an_mp4_holds_every_frame_in_the_form_that_browsers_play(tmp_path: Path) -> None:
    path = write(Mp4Video, tmp_path / "a.mp4", frames(12))
    said, found = decoded(path)
    assert "h264" in said
    assert "yuv420p" in said
    assert "25 fps" in said
    assert len(found) == 12
    for before, after in zip(frames(12), found, strict=True):
        assert np.abs(before.astype(int) - after).mean() < 3
    # The index comes before the frames, so that a browser can begin before it has the whole file.
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_an_odd_size_is_made_even_without_scaling(tmp_path: Path) -> None:
    _, found = decoded(write(Mp4Video, tmp_path / "a.mp4", frames(3, height=31, width=47)))
    assert found.shape == (3, 32, 48, 3)
    first = next(frames(1, height=31, width=47))
    assert np.abs(first.astype(int) - found[0][:31, :47]).mean() < 3


def test_a_gif_loops_for_ever_with_exact_white_and_true_colors(tmp_path: Path) -> None:
    path = write(GifVideo, tmp_path / "a.gif", frames(6))
    with PIL.Image.open(path) as image:
        assert image.info["loop"] == 0
        assert image.n_frames == 6  # type: ignore[attr-defined]
        for index, before in enumerate(frames(6)):
            image.seek(index)
            after = np.array(image.convert("RGB"))
            white = (before == 255).all(axis=-1)
            assert (after[white] == 255).all()
            assert np.abs(before.astype(int) - after).max() <= 4


@pytest.mark.parametrize(("fps", "durations_ms"), [(30, [30, 40, 30]), (25, [40, 40, 40]), (240, [20, 20, 20])])
def test_a_gif_keeps_the_rate_on_average_as_far_as_its_hundredths_allow(
    tmp_path: Path, fps: int, durations_ms: list[int]
) -> None:
    with PIL.Image.open(write(GifVideo, tmp_path / "a.gif", frames(3), fps)) as image:
        found = []
        for index in range(3):
            image.seek(index)
            found.append(image.info["duration"])
    assert found == durations_ms


def test_a_gif_of_many_colors_stays_close_to_them(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    smooth = np.stack([4 * x, 4 * y, 255 - 2 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)
    with PIL.Image.open(write(GifVideo, tmp_path / "a.gif", iter([smooth]))) as image:
        assert np.abs(np.array(image.convert("RGB")).astype(int) - smooth).mean() < 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_that_is_not_finished_leaves_nothing_and_an_older_one_stays(tmp_path: Path, kind: type[Video]) -> None:
    path = tmp_path / "a.video"
    path.write_text("older")
    with kind(path, 25) as video:
        for frame in frames(3):
            video.add(frame)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


# After a failure imageio-ffmpeg leaves its pipe to the program to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_cannot_be_written_is_told_by_the_name_of_the_video(tmp_path: Path, kind: type[Video]) -> None:
    with pytest.raises(RunError, match=r"a\.video: cannot be written"):
        write(kind, tmp_path / "absent" / "a.video", frames(40, 256, 256))
    gc.collect()


def test_a_machine_without_ffmpeg_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    check_ffmpeg()

    def absent() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", absent)
    with pytest.raises(MachineError, match=r"install the package imageio-ffmpeg .* take mp4 out of render\.formats"):
        check_ffmpeg()
