"""Images and videos inside the page, within a budget."""

from __future__ import annotations

import base64
import io
import random
from pathlib import Path

import pytest

from nsg_cluster.report.media import LOSSLESS_BYTES, Budget, embed_image, embed_video

Image = pytest.importorskip("PIL.Image", reason="Pillow comes with nsg-cluster[report]")


def decoded(address: str) -> tuple[str, bytes]:
    head, _, body = address.partition(";base64,")
    return head, base64.b64decode(body, validate=True)


def noise(path: Path, size: int) -> Path:
    Image.frombytes("RGB", (size, size), random.Random(0).randbytes(3 * size * size)).save(path)
    return path


def test_a_small_png_is_embedded_as_it_is(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", 16)
    picture = embed_image(path, Budget(10_000), max_side=800)
    assert picture
    assert decoded(picture.address) == ("data:image/png", path.read_bytes())
    assert (picture.width, picture.height) == (16, 16)


def test_a_large_picture_becomes_a_downscaled_jpeg(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", 300)
    assert path.stat().st_size > LOSSLESS_BYTES
    picture = embed_image(path, Budget(1 << 20), max_side=100)
    assert picture
    kind, data = decoded(picture.address)
    with Image.open(io.BytesIO(data)) as image:
        assert (kind, image.format, image.size) == ("data:image/jpeg", "JPEG", (100, 100))
    assert (picture.width, picture.height) == (300, 300)


def test_the_budget_counts_what_stands_in_the_page_and_is_never_exceeded(tmp_path: Path) -> None:
    budget = Budget(2000)
    path = noise(tmp_path / "a.png", 16)
    addresses = [picture.address for _ in range(5) if (picture := embed_image(path, budget, max_side=800))]
    assert 1 <= len(addresses) < 5
    used = sum(map(len, addresses))
    assert used + budget.left == 2000
    assert len(budget.remarks) == 5 - len(addresses)
    assert budget.remarks[0].startswith("a.png (")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_a_damaged_picture_is_left_out_and_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    budget = Budget(10_000)
    assert embed_image(tmp_path / "a.png", budget, max_side=800) is None
    assert budget.remarks[0].startswith("a.png cannot be read: ")


def test_a_truncated_picture_is_left_out_even_where_it_would_be_embedded_as_it_is(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", 64)
    path.write_bytes(path.read_bytes()[:-600])
    budget = Budget(1 << 20)
    assert embed_image(path, budget, max_side=800) is None
    assert budget.remarks


def test_a_picture_of_absurd_size_is_left_out_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.png")
    budget = Budget(1 << 20)
    assert embed_image(tmp_path / "a.png", budget, max_side=800) is None
    assert "20000x20000" in budget.remarks[0] or "decompression bomb" in budget.remarks[0]


MP4 = b"\0\0\0\x20ftypisom" + b"moov" + bytes(100)
GIF = b"GIF89a" + bytes(50) + b";"


def test_the_first_video_that_is_whole_and_fits_is_taken(tmp_path: Path) -> None:
    mp4, gif = tmp_path / "o.mp4", tmp_path / "o.gif"
    gif.write_bytes(GIF)
    found = embed_video([mp4, gif], Budget(1000))
    assert found
    assert decoded(found[0]) == ("data:image/gif", GIF)
    mp4.write_bytes(MP4)
    found = embed_video([mp4, gif], Budget(1000))
    assert found
    assert decoded(found[0]) == ("data:video/mp4", MP4)
    mp4.write_bytes(MP4.replace(b"moov", b"free"))
    budget = Budget(1000)
    assert (embed_video([mp4, gif], budget) or ("", ""))[1] == "image/gif"
    assert budget.remarks == ["o.mp4 is damaged or not finished"]


def test_a_video_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "o.mp4").open("wb") as file:
        file.truncate(1 << 40)
    budget = Budget(1000)
    assert embed_video([tmp_path / "o.mp4"], budget) is None
    assert budget.remarks == ["o.mp4 (1.0 TiB) is left out to keep this page small"]
