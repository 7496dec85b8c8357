"""Edits of the table of a scene graph."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from nsg_cluster.config.edits import EditConfig
from nsg_cluster.core.errors import ConfigError
from nsg_cluster.geometry.placements import Placements, placements_of
from nsg_cluster.models.edits import Edited, Newcomer, apply_edits, rows_of_pictures
from nsg_cluster.models.manipulations import manipulated
from tests.models import street

OBSERVED = placements_of(street.tracks())
"""Track 7 is object 0 and in both frames; track 3 is object 1 and in the second."""


def edited(*documents: dict[str, Any], frames: tuple[int, ...] = (0, 1)) -> Edited:
    start = Edited(
        rows=rows_of_pictures(OBSERVED, torch.tensor(frames)), observed=OBSERVED, tracks=(7, 3), frame_numbers=(40, 41)
    )
    edits = [EditConfig.model_validate(document) for document in documents]
    return apply_edits(edits, start, lambda insert: Newcomer(object=9, row=OBSERVED.chosen(torch.tensor([2]))))


def middles(rows: Placements, of: int) -> list[list[float]]:
    places: list[list[float]] = rows.object_to_world[rows.objects == of, :, 3].tolist()
    return places


def test_every_picture_has_the_rows_of_its_frame() -> None:
    rows = edited(frames=(1, 0, 1)).rows
    assert rows.objects.tolist() == [0, 1, 0, 0, 1] and rows.frames.tolist() == [0, 0, 1, 2, 2]
    assert rows.table.tolist() == [[0, 1], [2, -1], [3, 4]]
    nothing = edited(frames=(0, 0)).rows.table
    assert nothing.tolist() == [[0], [1]]


def test_removed_objects_are_gone_and_the_others_stay() -> None:
    assert edited({"remove": 7}).rows.objects.tolist() == [1]
    assert len(edited({"remove": [7, 3]}).rows) == 0
    assert edited({"only": "background"}).rows.table.tolist() == [[-1], [-1]]
    assert not edited({"only": "objects"}).has_background


def test_objects_move_along_the_world_or_their_own_axes() -> None:
    world = edited({"move": {"track": 7, "by": [0, 0, 2]}}).rows
    assert middles(world, 0) == [[8, 0, 3], [9, 0, 3]] and middles(world, 1) == [[5, 0, -1.5]]
    own = edited({"move": {"track": 7, "by": [1, 0, 0], "axes": "object"}}).rows
    assert middles(own, 0)[1] == pytest.approx([9 + math.cos(0.3), 0, 1 - math.sin(0.3)])
    bit_by_bit = edited({"move": {"by": [0, 0, 2], "over_path": True}}, frames=(0, 0, 0)).rows
    assert [place[2] for place in middles(bit_by_bit, 0)] == [1, 2, 3]


def test_a_turn_keeps_the_middle_and_adds_to_the_yaw() -> None:
    rows = edited({"rotate": {"track": 7, "by_deg": 90}}).rows
    torch.testing.assert_close(rows.object_to_world[0], street.pose(8.0, 0.0, 1.0, math.pi / 2))
    torch.testing.assert_close(rows.object_to_world[1], street.pose(9.0, 0.0, 1.0, 0.3 + math.pi / 2))


def test_what_edits_move_keeps_its_anchor() -> None:
    moved = edited({"move": {"by": [3, 0, 0]}}, {"rotate": {"by_deg": 10}}).rows
    assert torch.equal(moved.anchors, OBSERVED.anchors)


def test_an_inserted_object_stands_on_the_ground_in_every_picture() -> None:
    rows = edited({"insert": {"track": 3, "at": [4, 1, 0], "yaw_deg": 180}}).rows
    new = rows.objects == 9
    assert rows.frames[new].tolist() == [0, 1] and rows.sources[new].tolist() == [-1, -1]
    assert middles(rows, 9) == [[4, 0, 0], [4, 0, 0]], "its box is 2 high and y is down"
    assert rows.object_to_world[new][0, 0, 0] == pytest.approx(-1)


def test_an_inserted_object_goes_from_place_to_place_at_even_speed_and_looks_ahead() -> None:
    rows = edited({"insert": {"track": 3, "at": [0, 1, 0], "to": [8, 1, 0]}}, frames=(0,) * 5).rows
    assert middles(rows, 9) == [[0, 0, 0], [2, 0, 0], [4, 0, 0], [6, 0, 0], [8, 0, 0]]
    corner = edited({"insert": {"track": 3, "at": [0, 1, 0], "to": [[2, 1, 0], [2, 1, 6]]}}, frames=(0,) * 5).rows
    assert middles(corner, 9) == [[0, 0, 0], [2, 0, 0], [2, 0, 2], [2, 0, 4], [2, 0, 6]]
    ahead = corner.object_to_world[corner.objects == 9][:, :, 0]
    torch.testing.assert_close(ahead[0], torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(ahead[2:], torch.tensor([[0.0, 0.0, 1.0]] * 3))
    turned = edited({"insert": {"track": 3, "at": [0, 1, 0], "to": [0, 1, 4], "yaw_deg": 0}}).rows
    assert turned.object_to_world[turned.objects == 9][:, 0, 0].tolist() == [1, 1], "unless its yaw is given"


def test_an_inserted_object_goes_beside_a_track_while_this_is_there() -> None:
    rows = edited({"insert": {"track": 3, "follow": {"track": 7, "by": [-3, 0, 1]}}}, frames=(0, 1, 1)).rows
    new, leader = rows.chosen(rows.objects == 9), rows.chosen(rows.objects == 0)
    assert new.frames.tolist() == [0, 1, 2]
    assert middles(new, 9)[0] == pytest.approx([5, 0, 2]), "3 behind and 1 to the left of (8, 0, 1)"
    torch.testing.assert_close(new.object_to_world[:, :, :3], leader.object_to_world[:, :, :3])
    local = torch.einsum(
        "rji,rj->ri", leader.object_to_world[:, :, :3], (new.object_to_world - leader.object_to_world)[:, :, 3]
    )
    torch.testing.assert_close(local, torch.tensor([[-3.0, 0.0, 1.0]] * 3))
    absent = edited({"insert": {"track": 7, "follow": {"track": 3}}}, frames=(0, 1)).rows
    assert absent.frames[absent.objects == 9].tolist() == [1], "track 3 is in the second frame alone"


@pytest.mark.parametrize(
    ("insert", "message"),
    [
        ({"track": 3}, "insert needs at, the place where the object stands, or follow"),
        ({"track": 3, "at": [0, 0, 0], "follow": {"track": 7}}, "and not both"),
        ({"track": 3, "follow": {"track": 7}, "to": [1, 2, 3]}, "to says where it goes from at"),
    ],
)
def test_an_inserted_object_is_in_one_place(insert: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EditConfig.model_validate({"insert": insert})


def test_swapped_tracks_take_the_looks_and_the_size_of_each_other() -> None:
    rows = edited({"swap": [7, 3]}).rows
    assert rows.objects.tolist() == [1, 1, 0]
    assert rows.sizes[0].tolist() == [2, 2, 2] and rows.sizes[2].tolist() == [4, 2, 2]
    assert rows.object_to_world[0, 0, 3] == 8, "where the other stood"


def test_frozen_objects_stand_where_they_are_in_one_frame() -> None:
    assert middles(edited({"freeze": {"frame": 41}}).rows, 0) == [[9, 0, 1], [9, 0, 1]]
    one = edited({"freeze": {"frame": 40, "track": 7}}).rows
    assert middles(one, 0) == [[8, 0, 1], [8, 0, 1]] and middles(one, 1) == [[5, 0, -1.5]]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"remove": 5}, r"render\.edits\.0: there is no track 5 in this run; its tracks are: 3, 7"),
        ({"freeze": {"frame": 7}}, r"render\.edits\.0: there is no frame 7 in this run; it has 40 to 41"),
    ],
)
def test_an_edit_of_what_is_not_there_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edited(document)


@pytest.mark.parametrize("document", [{}, {"remove": 3, "only": "objects"}])
def test_an_edit_is_one_change(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="an edit has exactly one of the keys remove, move"):
        EditConfig.model_validate(document)


def manipulation(name: str, frames: tuple[int, ...] = (1, 1, 1), **settings: Any) -> Placements:
    return edited({"manipulate": {"name": name, **settings}}, frames=frames).rows


def test_dancing_objects_swing_by_36_degrees_and_one_rotates_by_6() -> None:
    for name, largest, turning in (("dance", 36, 6), ("rotate", 6, 3)):
        rows, before = manipulation(name), rows_of_pictures(OBSERVED, torch.tensor([1, 1, 1]))
        ahead = torch.einsum("ri,ri->r", rows.object_to_world[:, :, 0], before.object_to_world[:, :, 0])
        angles = torch.rad2deg(torch.arccos(ahead.clamp(-1, 1))).view(3, 2)
        assert float(angles.max()) == pytest.approx(largest, abs=0.1)
        assert angles[1].tolist() == pytest.approx([0, 0], abs=0.1)
        assert int((angles > 1).sum()) == (4 if name == "dance" else 2), turning


def test_one_object_turns_once_around() -> None:
    rows = manipulation("360_rotate", frames=(1,) * 5)
    ahead = rows.object_to_world[:, :, 0].view(5, 2, 3)
    turning = int((ahead - ahead[0]).abs().amax((0, 2)).argmax())
    assert ((ahead[:, 1 - turning] - ahead[0, 1 - turning]) == 0).all()
    quarters = (ahead[:-1, turning] * ahead[1:, turning]).sum(1)
    torch.testing.assert_close(quarters, torch.zeros(4), atol=1e-5, rtol=0)


def test_objects_that_move_left_end_two_units_away_to_their_left() -> None:
    rows = manipulation("move_left", frames=(0, 0, 0))
    assert middles(rows, 0)[0] == [8, 0, 1], "track 7 looks along x, and z is to its left"
    angle = math.radians(15)
    assert middles(rows, 0)[2] == pytest.approx([8 + 2 * math.cos(angle), 0, 1 + 2 * math.sin(angle)])
    torch.testing.assert_close(rows.object_to_world[2, :, :3], street.pose(0, 0, 0, -math.radians(30))[:, :3])


def test_translated_objects_move_two_units_to_both_sides() -> None:
    assert [place[2] for place in middles(manipulation("translate"), 0)] == [-1, 1, 3]


def test_one_object_moves_while_all_else_is_frozen() -> None:
    rows = manipulation("move", frames=(1, 0), seed=1)
    assert len(rows) >= 3
    still = [name for name in (0, 1) if len(set(map(tuple, middles(rows, name)))) == 1]
    assert still, "what does not move stands where it stood in the first picture"


def test_objects_that_switch_places_stay_as_many() -> None:
    names = {tuple(manipulation("switch_location", seed=seed).objects.tolist()) for seed in range(4)}
    assert names == {(0, 1) * 3, (1, 0) * 3}


def test_a_traffic_jam_has_objects_of_all_frames_that_keep_their_distance() -> None:
    rows = manipulation("traffic_jam", frames=(1,), gap=0.1)
    assert len(rows) == 3, "track 7 stands in the place of the other frame as well"
    assert len(manipulation("traffic_jam", frames=(1,), gap=3.0)) == 2
    assert len(manipulation("oversample", frames=(0,), gap=0.1)) == 2


def test_manipulations_are_of_their_seed() -> None:
    start = edited(frames=(1, 1, 1))
    config = EditConfig.model_validate({"manipulate": {"name": "rotate", "seed": 3}}).manipulate
    assert config is not None
    twice = [manipulated(config, start.rows, OBSERVED, start.progress).object_to_world for _ in range(2)]
    assert torch.equal(*twice)
