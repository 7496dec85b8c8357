"""Point clouds in PLY files, written by hand and by another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.clouds import read_cloud

trimesh = pytest.importorskip("trimesh", reason="missing here: the package trimesh, which reads point clouds")
POINTS = np.array([[0.0, 1.5, -2.0], [3.25, 0.0, 1e3], [0.0, 0.0, 0.0]])
HEAD = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\nend_header\n"


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_positions_are_read_from_either_encoding(tmp_path: Path, encoding: str) -> None:
    colors = np.full((3, 4), 200, dtype=np.uint8)
    cloud = trimesh.PointCloud(POINTS, colors=colors)
    (tmp_path / "c.ply").write_bytes(cloud.export(file_type="ply", encoding=encoding))
    np.testing.assert_allclose(read_cloud(tmp_path / "c.ply"), POINTS, rtol=1e-6)


def test_points_that_are_nowhere_are_left_out_and_a_cloud_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "c.ply").write_text(HEAD.format(2) + "nan 0 0\n1 2 3\n")
    assert read_cloud(tmp_path / "c.ply").tolist() == [[1.0, 2.0, 3.0]]
    (tmp_path / "c.ply").write_text(HEAD.format(0))
    assert read_cloud(tmp_path / "c.ply").shape == (0, 3)


@pytest.mark.parametrize("content", ["", "obj\n", HEAD.format(1) + "one two three\n", "cut short"])
def test_what_is_no_cloud_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    whole = trimesh.PointCloud(np.repeat(POINTS, 50, axis=0)).export(file_type="ply")
    (tmp_path / "c.ply").write_bytes(whole[:-700] if content == "cut short" else content.encode())
    with pytest.raises(DataError, match=r"c\.ply: it cannot be read as a PLY file") as caught:
        read_cloud(tmp_path / "c.ply")
    assert "\n" not in str(caught.value)
