"""Rays through oriented boxes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.ops.boxes import box_hits
from nsg_cluster.ops.march import intersect_box


def world_to_box(center: tuple[float, float, float], half: tuple[float, float, float], yaw: float = 0.0) -> Tensor:
    """Return the map from the world to the unit cube of a box turned about z."""
    c, s = math.cos(yaw), math.sin(yaw)
    turned = torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]]) / torch.tensor(half).float()[:, None]
    return torch.cat([turned, -(turned @ torch.tensor(center).float())[:, None]], dim=1)


def random_boxes(count: int, generator: Generator) -> Tensor:
    rotations = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    scaled = rotations / (0.3 + torch.rand(count, 3, 1, generator=generator))
    return torch.cat([scaled, -scaled @ torch.randn(count, 3, 1, generator=generator)], dim=2)


def toward_the_middle(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    origins = 4 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    return origins, 0.5 * torch.randn(count, 3, generator=generator) - origins


def one_frame(origins: Tensor, directions: Tensor, maps: Tensor) -> tuple[Tensor, ...]:
    """Return the hits of rays in a frame with all boxes."""
    return box_hits(
        origins, directions, torch.zeros(len(origins), dtype=torch.long), maps, torch.arange(len(maps))[None]
    )


def test_a_turned_box_is_hit_on_its_corner(backend: str) -> None:
    boxes = torch.stack([world_to_box((5, 0, 0), (1, 1, 1), math.pi / 4), world_to_box((0, 3, 0), (2, 1, 1))])
    origins, directions = torch.tensor([[0.0, 0, 0], [0.0, 3, 0]]), torch.tensor([[1.0, 0, 0], [0.0, 1, 0]])
    entries, exits, rays, rows, offsets = one_frame(origins, directions, boxes)
    root = math.sqrt(2)
    assert rays.tolist() == [0, 1] and rows.tolist() == [0, 1] and offsets.tolist() == [0, 1, 2]
    torch.testing.assert_close(entries, torch.tensor([5 - root, 0.0]), msg="0 where the camera is inside")
    torch.testing.assert_close(exits, torch.tensor([5 + root, 1.0]))


def test_hits_of_a_ray_are_in_order_of_entry_then_exit_then_row(backend: str) -> None:
    boxes = [world_to_box((9, 0, 0), (1, 1, 1)), world_to_box((0, 0, 0), (2, 1, 1)), world_to_box((0, 0, 0), (1, 1, 1))]
    boxes += [world_to_box((5, 0, 0), (1, 1, 1)), world_to_box((0, 0, 0), (2, 1, 1))]
    entries, exits, _, rows, _ = one_frame(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0]]), torch.stack(boxes))
    assert rows.tolist() == [2, 1, 4, 3, 0]
    assert entries.tolist() == [0, 0, 0, 4, 8] and exits.tolist() == [1, 2, 2, 6, 10]


def test_a_ray_sees_the_boxes_of_its_frame_alone(backend: str) -> None:
    boxes = torch.stack([world_to_box((5, 0, 0), (1, 1, 1)), world_to_box((8, 0, 0), (1, 1, 1))])
    table, frames = torch.tensor([[-1, 0], [1, -1], [0, 1], [-1, -1]]), torch.tensor([2, 3, 1, 0])
    _, _, rays, rows, offsets = box_hits(
        torch.zeros(4, 3), torch.tensor([[2.0, 0, 0]]).expand(4, 3), frames, boxes, table
    )
    assert rays.tolist() == [0, 0, 2, 3] and rows.tolist() == [0, 1, 1, 0] and offsets.tolist() == [0, 2, 2, 3, 4]


def test_boxes_along_the_axes_are_the_axis_aligned_case(backend: str, generator: Generator) -> None:
    origins, directions = torch.randn(100, 3, generator=generator), torch.randn(100, 3, generator=generator)
    lower, upper = torch.tensor([-1.0, -2, 0]), torch.tensor([2.0, 1, 0.5])
    box = torch.diag(2 / (upper - lower))
    map_to_box = torch.cat([box, -(box @ ((lower + upper) / 2))[:, None]], dim=1)
    near, far = intersect_box(origins, directions, torch.stack([lower, upper]))
    entries, exits, rays, _, _ = one_frame(origins, directions, map_to_box[None])
    assert rays.tolist() == (near < far).nonzero()[:, 0].tolist()
    torch.testing.assert_close(entries, near[rays], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(exits, far[rays], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rays", "frames", "slots", "boxes"),
    [(0, 2, 4, 3), (1, 1, 1, 1), (300, 3, 5, 20), (10, 1, 0, 2), (10, 2, 30, 0), (300, 4, 90, 200), (200, 1, 600, 600)],
)
def test_backends_find_the_same_hits_to_the_last_bit(
    agree: Callable[..., None], generator: Generator, rays: int, frames: int, slots: int, boxes: int
) -> None:
    maps = random_boxes(boxes, generator)
    origins, directions = toward_the_middle(rays, generator)
    moments = torch.randint(0, frames, (rays,), generator=generator)
    table = torch.randint(-1, max(boxes, 0), (frames, slots), generator=generator)
    agree(lambda o, m: box_hits(o, directions, moments, m, table), (origins, maps), exact=True)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1.0, 1e4, 1e12])
@pytest.mark.parametrize("axis", [None, 0, 2])
def test_no_hit_is_lost_among_small_and_far_boxes(
    agree: Callable[..., None], generator: Generator, scale: float, axis: int | None
) -> None:
    """Grazes, rays along an axis, boxes of all sizes far from the origin, directions of any length."""
    sizes = 10 ** (4 * torch.rand(80, 3, 1, generator=generator) - 3)
    rotations = torch.linalg.qr(torch.randn(80, 3, 3, generator=generator)).Q
    rotations[:40] = torch.eye(3)
    centers = 100 * torch.randn(80, 3, 1, generator=generator)
    linear = rotations / (sizes * scale)
    maps = torch.cat([linear, -linear @ (centers * scale)], dim=2)
    origins = 300 * scale * torch.randn(400, 3, generator=generator)
    # Toward points of the faces' planes, where boxes begin and end.
    row = torch.randint(0, 80, (400,), generator=generator)
    corner = torch.randint(-1, 2, (400, 3, 1), generator=generator).float()
    targets = (centers[row] + (rotations[row].mT @ (sizes[row] * corner)))[:, :, 0] * scale
    if axis is not None:
        origins = targets.clone()
        origins[:, axis] -= 50 * scale
    directions = (targets - origins) / scale**2
    frames, table = torch.zeros(400, dtype=torch.long), torch.arange(80)[None]
    agree(lambda o, m: box_hits(o, directions, frames, m, table), (origins, maps), exact=True)


def test_the_order_of_boxes_changes_nothing_but_their_numbers(backend: str, generator: Generator) -> None:
    maps, (origins, directions) = random_boxes(50, generator), toward_the_middle(200, generator)
    shuffled = torch.randperm(50, generator=generator)
    *found, rows, offsets = one_frame(origins, directions, maps)
    *again, rows_again, offsets_again = one_frame(origins, directions, maps[shuffled])
    assert len(rows) > 500
    for one, other in zip([*found, rows, offsets], [*again, shuffled[rows_again], offsets_again], strict=True):
        assert torch.equal(one, other)


def test_rays_in_any_order_have_the_same_hits(backend: str, generator: Generator) -> None:
    maps, (origins, directions) = random_boxes(50, generator), toward_the_middle(200, generator)
    shuffled = torch.randperm(200, generator=generator)
    entries, _, _, rows, offsets = one_frame(origins, directions, maps)
    moved_entries, _, _, moved_rows, moved_offsets = one_frame(origins[shuffled], directions[shuffled], maps)
    assert torch.equal(moved_offsets.diff(), offsets.diff()[shuffled])
    order = torch.cat([torch.arange(int(offsets[r]), int(offsets[r + 1])) for r in shuffled.tolist()])
    assert torch.equal(moved_entries, entries[order]) and torch.equal(moved_rows, rows[order])


def test_rays_and_boxes_that_are_none_hit_nothing(backend: str) -> None:
    good = world_to_box((0, 0, 0), (1, 1, 1))
    nan, inf = math.nan, math.inf
    directions = torch.tensor([[0.0, 0, 0], [nan, 0, 1], [inf, 0, 0], [1e-45, 0, 0], [1.0, 0, 0]])
    origins = torch.tensor([[0.0, 0, 0]] * 4 + [[nan, 0, 0]])
    assert len(one_frame(origins, directions, good[None])[0]) == 0
    bad = torch.stack([good * 0, good * nan, good / 0, good])
    entries, exits, _, rows, _ = one_frame(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0]]), bad)
    assert rows.tolist() == [3] and entries.tolist() == [0] and exits.tolist() == [1]


def test_a_ray_within_a_face_misses_and_one_along_an_edge_of_the_bounds_is_no_number(backend: str) -> None:
    box = world_to_box((0, 0, 0), (1, 1, 1))[None]
    along = torch.tensor([[1.0, 0, 0]])
    inside = one_frame(torch.tensor([[-3.0, 1 - 1e-6, 0]]), along, box)
    assert inside[0].tolist() == [2.0] and inside[1].tolist() == [4.0]
    for origin in ([-3.0, 1, 0], [-3.0, -1, 0], [-3.0, 1, 1], [-1.0, 1, 1]):
        found = one_frame(torch.tensor([origin]), along, box)
        assert len(found[0]) == 0 and not found[-1].any()


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None, generator: Generator) -> None:
    maps, origins, frames = random_boxes(3, generator), torch.zeros(2, 3), torch.tensor([0, 0])
    table = torch.tensor([[0, 1, 2]])
    with pytest.raises(ValueError, match="table holds indices from 0 to 3, expected -1 to 2"):
        box_hits(origins, origins, frames, maps, table + 1 - (table < 1).long())
    with pytest.raises(ValueError, match="frames holds indices from 0 to 1, expected 0 to 0"):
        box_hits(origins, origins, torch.tensor([0, 1]), maps, table)
    with pytest.raises(ValueError, match=r"world_to_box has shape \(3, 4, 4\), expected \(rows, 3, 4\)"):
        box_hits(origins, origins, frames, torch.zeros(3, 4, 4), table)
    with pytest.raises(ValueError, match=r"frames has shape \(1,\), expected \(rays=2\)"):
        box_hits(origins, origins, frames[:1], maps, table)
    with pytest.raises(TypeError, match="table is int32, expected int64"):
        box_hits(origins, origins, frames, maps, table.int())
