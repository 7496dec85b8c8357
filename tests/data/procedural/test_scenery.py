"""What stands beside the street."""

from __future__ import annotations

import numpy as np

from nsg_cluster.data.procedural.lighting import first_hits
from nsg_cluster.data.procedural.scenery import LEFT_LANE, scenery, sky_color


def test_the_lanes_are_free_and_walls_close_the_sides() -> None:
    clusters = [cluster for _, cluster in scenery(100.0, 3)]
    along = np.array([[1.0, 0.0, 0.0]])
    for y in (0.0, LEFT_LANE):
        assert first_hits(clusters, np.array([[-10.0, y, 1.0]]), along).distance[0] == np.inf
    x = np.linspace(-20.0, 90.0, 200)
    origins = np.column_stack([x, np.zeros(200), np.full(200, 0.5)])
    for side in (-1.0, 1.0):
        aside = np.tile([0.0, side, 0.0], (200, 1))
        assert (first_hits(clusters, origins, aside).distance < 12.0).mean() > 0.8


def test_a_seed_decides_where_houses_stand_and_the_sky_is_darker_high_up() -> None:
    solids = [[solid.center for _, cluster in scenery(60.0, seed) for solid in cluster.solids] for seed in (1, 1, 2)]
    assert solids[0] == solids[1] != solids[2]
    low, high = sky_color(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    assert (high < low).all()
