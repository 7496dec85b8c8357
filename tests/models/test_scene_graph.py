"""Scene graphs: nodes, composition, what an edit of the table changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nsg_cluster.geometry.rays import Rays
from nsg_cluster.models.scene_graph import SceneGraph, Shown
from nsg_cluster.render.rendering import Rendering
from tests.models import street

CONFIGS = pytest.mark.parametrize("config", [street.NSG, street.FAST], ids=["nsg", "nsg_fast"])


def render(graph: SceneGraph, rays: Rays, **settings: Any) -> Rendering:
    return graph.render_rays(rays, background=torch.zeros(len(rays), 3), **settings)


@CONFIGS
def test_a_ray_sees_the_objects_of_its_frame_alone(config: dict[str, Any]) -> None:
    graph = street.graph(config).eval()
    with torch.no_grad():
        first, second = (render(graph, street.rays(frame)).node_opacity for frame in (0, 1))
    assert first is not None and second is not None
    assert graph.tracks == (3, 7), "nodes are numbered class by class"
    assert first[:, 1].max() == 0 and second[:, 1].max() > 0, "track 3 is in the second frame alone"
    assert first[:, 2].max() > 0
    # Track 3 stands to the right of the camera, its box one to three wide in the image of 8 pixels.
    columns = (second[:, 1].view(8, 8) > 0).any(0).nonzero()[:, 0]
    assert columns.min() >= 4


@CONFIGS
def test_shares_of_nodes_add_up_to_the_opacity(config: dict[str, Any]) -> None:
    graph = street.graph(config).eval()
    with torch.no_grad():
        rendering = render(graph, street.rays(1))
    assert rendering.node_opacity is not None
    torch.testing.assert_close(rendering.node_opacity.sum(1), rendering.opacity)
    assert ((rendering.samples.starts.diff() >= 0) | (rendering.samples.rays.diff() > 0)).all(), "in order of depth"


@CONFIGS
def test_a_camera_inside_a_box_sees_what_of_the_object_is_before_it(config: dict[str, Any]) -> None:
    graph = street.graph(config).eval()
    rays = street.rays(0)
    inside = replace(rays, origins=torch.tensor([8.0, 0.0, 1.0]).expand_as(rays.origins).contiguous())
    with torch.no_grad():
        rendering = render(graph, inside)
    assert rendering.node_opacity is not None and bool((rendering.node_opacity[:, 2] > 0).all())
    assert bool(rendering.color.isfinite().all()) and float(rendering.samples.starts.min()) >= 0


@CONFIGS
def test_two_objects_in_one_place_share_its_light(config: dict[str, Any]) -> None:
    graph = street.graph(config).eval()
    here = graph.observed.chosen(torch.tensor([0]))
    # One is a bit further: points that stand in the same places have no length between them.
    other = replace(here, objects=torch.tensor([0]), object_to_world=street.pose(8.3, 0.0, 1.2)[None])
    both = here.joined(other)
    graph.show(Shown(placements=both))
    rays = street.rays(0)
    with torch.no_grad():
        rendering = render(graph, rays)
    assert rendering.node_opacity is not None
    hit = (rendering.node_opacity[:, 1] > 0) & (rendering.node_opacity[:, 2] > 0)
    assert hit.any() and float(rendering.opacity.max()) <= 1 + 1e-5
    torch.testing.assert_close(rendering.node_opacity.sum(1), rendering.opacity)


@CONFIGS
def test_opaque_objects_hide_each_other_whole(config: dict[str, Any]) -> None:
    opaque = config | {"objects": config["objects"] | {"opaque": True}}
    graph, rays = street.graph(opaque).eval(), street.rays(1)
    with torch.no_grad():
        shares = render(graph, rays).node_opacity
        through = render(street.graph(config).eval(), rays).node_opacity
    assert shares is not None and through is not None
    assert not ((shares[:, 1] > 0) & (shares[:, 2] > 0)).any()
    alone = (through[:, 1] > 0) ^ (through[:, 2] > 0)
    torch.testing.assert_close(shares[alone], through[alone])


@CONFIGS
def test_every_part_gets_a_gradient(config: dict[str, Any]) -> None:
    refined = config | {"objects": config["objects"] | {"poses": {}}}
    graph = street.graph(refined).train()
    both = [street.rays(frame) for frame in (0, 1)]
    loss = torch.zeros(())
    for rays in both:
        rendering = render(graph, rays, generator=torch.Generator().manual_seed(0))
        loss = loss + (rendering.color - 0.5).square().sum()
    torch.autograd.backward(loss + torch.stack(list(graph.regularizers().values())).sum())
    silent = [
        name
        for name, parameter in graph.named_parameters()
        if (parameter.grad is None or not parameter.grad.any()) and not name.startswith("sampler")
    ]
    assert not silent


def test_the_background_is_empty_inside_boxes_where_that_is_asked() -> None:
    graph = street.graph(street.FAST | {"sky": False}).eval()
    rays = street.rays(0)
    with torch.no_grad():
        whole = render(graph, rays)
        graph.objects.forward = lambda points, generator=None: (  # type: ignore[method-assign]
            torch.zeros(len(points.positions)),
            torch.zeros(len(points.positions), 3),
        )
        hollow = render(graph, rays)
        graph.show(Shown(placements=graph.observed.chosen(torch.zeros(0, dtype=torch.long))))
        without = render(graph, rays)
    assert whole.node_opacity is not None
    hit = whole.node_opacity[:, 2] > 0
    assert (hollow.opacity[hit] < without.opacity[hit] - 1e-3).any()
    torch.testing.assert_close(hollow.opacity[~hit], without.opacity[~hit])


def test_a_moved_object_looks_the_same_from_a_camera_that_moved_with_it() -> None:
    """Colors of the NSG network depend on the object's place; an edit leaves what they are told alone."""
    graph = street.graph(street.NSG).eval()
    rays = street.rays(0)
    by = torch.tensor([2.0, 0.5, -3.0])
    with torch.no_grad():
        graph.show(Shown(placements=graph.observed, has_background=False))
        before = render(graph, rays).color
        moved = graph.observed.object_to_world.clone()
        moved[:, :, 3] += by
        graph.show(Shown(placements=replace(graph.observed, object_to_world=moved), has_background=False))
        after = render(graph, replace(rays, origins=rays.origins + by)).color
    assert before.max() > 0.05
    torch.testing.assert_close(before, after, rtol=0, atol=2e-5)


def test_objects_alone_stand_before_the_background_color_and_no_sky() -> None:
    graph, rays = street.graph(street.FAST).eval(), street.rays(0)
    graph.show(Shown(placements=graph.observed.chosen(torch.zeros(0, dtype=torch.long)), has_background=False))
    with torch.no_grad():
        rendering = graph.render_rays(rays, background=torch.full((len(rays), 3), 0.25))
    assert (rendering.color == 0.25).all() and not rendering.opacity.any()


def test_objects_of_another_graph_look_as_they_do_there() -> None:
    ours, theirs = street.graph(street.FAST).eval(), street.graph(street.FAST, seed=5).eval()
    first = ours.adopt(theirs.objects, theirs.classes)
    rows = replace(ours.observed, objects=ours.observed.objects + first)
    rays = street.rays(1)
    with torch.no_grad():
        for graph, placements in ((ours, rows), (theirs, theirs.observed)):
            graph.show(Shown(placements=placements, has_background=False))
        mine, original = (
            graph.render_rays(rays, background=torch.zeros(len(rays), 3)).opacity for graph in (ours, theirs)
        )
    torch.testing.assert_close(mine, original)


def test_regularizers_are_lengths_and_distances_from_the_mean_of_the_class() -> None:
    graph = street.graph(street.NSG)
    assert graph.objects.latents is not None
    with torch.no_grad():
        graph.objects.latents.copy_(torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]]))
    terms = {name: term.detach() for name, term in graph.regularizers().items()}
    assert float(terms["latent"]) == pytest.approx(7.0)
    assert float(terms["class_prior"]) == pytest.approx(0.0), "each class has one object here"
    graph.classes = ("car", "car")
    assert float(graph.regularizers()["class_prior"].detach()) == pytest.approx(2 * (1.5**2 + 2**2 + 1))


def test_refined_poses_move_rows_that_were_observed_and_no_others() -> None:
    graph = street.graph(street.NSG | {"objects": street.NSG["objects"] | {"poses": {}}})
    assert graph.per_object.shifts is not None
    with torch.no_grad():
        graph.per_object.shifts[1] = torch.tensor([0.0, 0.0, 0.5])
    rows = replace(graph.observed, sources=torch.tensor([-1, 1, 2]))
    moved = graph.per_object.refined(rows).object_to_world[:, 2, 3] - rows.object_to_world[:, 2, 3]
    assert moved.tolist() == [0.0, 0.5, 0.0]
