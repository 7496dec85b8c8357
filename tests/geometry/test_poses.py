"""Camera poses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nsg_cluster.geometry.poses import check_rigid, look_at, orbit, sphere_views

CENTER = torch.tensor([0.5, -1.0, 2.0])
Z = torch.tensor([0.0, 0.0, 1.0])


def homogeneous(pose: Tensor) -> Tensor:
    return torch.cat([pose, torch.tensor([[0.0, 0.0, 0.0, 1.0]])])


def test_a_camera_on_the_x_axis_that_looks_at_the_origin_has_the_axes_found_by_hand() -> None:
    pose = look_at(torch.tensor([[4.0, 0.0, 0.0]]), torch.zeros(3), Z)[0]
    right, up, back, position = pose.unbind(-1)
    assert right.tolist() == [0, 1, 0]
    assert up.tolist() == [0, 0, 1]
    assert back.tolist() == [1, 0, 0]
    assert position.tolist() == [4, 0, 0]


@pytest.mark.parametrize("eye", [[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
def test_looking_straight_down_is_refused_because_nothing_says_where_the_top_is(eye: list[float]) -> None:
    with pytest.raises(ValueError, match="in line with the up direction"):
        look_at(torch.tensor([eye]), torch.zeros(3), Z)


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 1.0, -0.5)])
def test_an_orbit_is_rigid_keeps_its_height_looks_at_the_center_and_closes(up: tuple[float, float, float]) -> None:
    poses = orbit(CENTER, 3.0, 25.0, 12, up=up)
    axis = torch.tensor(up) / torch.tensor(up).norm()
    for pose in poses:
        check_rigid(homogeneous(pose))
    away = poses[:, :, 3] - CENTER
    torch.testing.assert_close(away.norm(dim=-1), torch.full((12,), 3.0))
    torch.testing.assert_close(away @ axis, torch.full((12,), 3.0 * math.sin(math.radians(25.0))))
    torch.testing.assert_close(poses[:, :, 2], away / 3.0)
    assert (poses[:, :, 1] @ axis > 0).all()
    steps = (poses[:, :, 3] - poses[:, :, 3].roll(1, 0)).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1].expand(12), rtol=1e-4, atol=0)


def test_views_on_a_sphere_stand_for_equal_areas_of_the_zone() -> None:
    poses = sphere_views(torch.zeros(3), 2.0, 400, elevations_deg=(-10.0, 80.0))
    sines = poses[:, 2, 3] / 2.0
    low, high = math.sin(math.radians(-10.0)), math.sin(math.radians(80.0))
    assert low < float(sines.min()) < float(sines.max()) < high
    counts = torch.histc(sines, bins=10, min=low, max=high)
    assert counts.tolist() == [40] * 10
    # All around as well: the nearest neighbour of each view is about as far as that of any other.
    positions = poses[:, :, 3]
    distances = torch.cdist(positions, positions) + 10 * torch.eye(400)
    nearest = distances.min(dim=1).values
    assert float(nearest.max() / nearest.min()) < 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.index_fill(0, torch.tensor([1]), float("nan")), "not finite"),
        (lambda m: m * torch.tensor([1.0, 1.0, 1.1, 1.0]), "unit length at right angles"),
        (lambda m: m * torch.tensor([-1.0, 1.0, 1.0, 1.0]), "mirrors"),
        (lambda m: torch.cat([m[:3], torch.tensor([[0.0, 0.0, 0.0, 2.0]])]), "last row"),
    ],
)
def test_a_matrix_that_is_no_pose_is_refused_with_what_is_wrong(change, words: str) -> None:  # type: ignore[no-untyped-def]
    matrix = homogeneous(orbit(CENTER, 3.0, 25.0, 1)[0])
    check_rigid(matrix)
    check_rigid(matrix + 1e-5 * torch.tensor([[1.0, 1.0, 1.0, 0.0]]) * torch.tensor([[1.0], [1.0], [1.0], [0.0]]))
    with pytest.raises(ValueError, match=words):
        check_rigid(change(matrix))
