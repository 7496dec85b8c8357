"""Proposals: where samples go, and what has gradients."""

from __future__ import annotations

import torch
from torch import nn

from nsg_cluster.geometry.rays import Rays, RaySamples, midpoints
from nsg_cluster.sampling.base import Placement
from nsg_cluster.sampling.proposal import ProposalSampler, annealed

BOX = torch.tensor([[-1.0] * 3, [1.0] * 3])


class Ball(nn.Module):
    """A ball of radius a half whose density is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.density = nn.Parameter(torch.tensor(40.0))

    def along(self, rays: Rays, samples: RaySamples) -> torch.Tensor:
        return self.density * torch.sigmoid(40 * (0.5 - midpoints(rays, samples).norm(dim=1)))


def on_surface(placed: Placement) -> torch.Tensor:
    """Return the share of the samples of the first two rays around the near surface of the ball, 3.5 away."""
    samples = placed.samples
    middle = ((samples.starts + samples.ends) / 2).view(len(samples.offsets) - 1, -1)[:2]
    return ((middle > 3.35) & (middle < 3.8)).float().mean()


def sampler(region: torch.Tensor | None = BOX, **changes: object) -> ProposalSampler:
    settings = {
        "rounds": (64, 32), "samples": 16, "spacing": "linear", "unit": 1.0, "anneal_steps": 100, "anneal_slope": 10.0,
        "padding": 0.0, "dilate": False,
    }  # fmt: skip
    return ProposalSampler([Ball(), Ball()], region, **settings | changes)  # type: ignore[arg-type]


def rays(count: int = 3) -> Rays:
    """Return rays through the middle of the box, but for the last, which misses it."""
    origins = torch.tensor([[-4.0, 0.01 * index, 0.02] for index in range(count)])
    origins[-1, 1] = 3.0
    return Rays(
        origins=origins,
        directions=torch.tensor([[1.0, 0.0, 0.0]]).expand(count, 3),
        radii=torch.full((count,), 1e-3),
        images=torch.zeros(count, dtype=torch.int64),
    )


def test_the_last_samples_stand_where_the_proposals_see_something() -> None:
    for settings in (
        {},
        {"dilate": True},
        {"region": None, "spacing": "piecewise"},
        {"region": None, "spacing": "disparity"},
    ):
        placed = sampler(**settings).eval().place(rays(), near=2.0, far=6.0)
        assert len(placed.samples) == 3 * 16 and placed.edges is not None and placed.edges.shape == (3, 17)
        assert on_surface(placed) > 0.5, "the room inside gets no light"
        assert [tuple(histogram.weights.shape) for histogram in placed.proposals] == [(3, 64), (3, 32)]
        assert all(bool((histogram.weights[:2].sum(1) > 0.9).all()) for histogram in placed.proposals)


def test_a_ray_beside_the_region_is_harmless() -> None:
    for spacing in ("linear", "disparity", "piecewise"):
        placed = sampler(spacing=spacing).place(rays(), near=2.0, far=6.0, generator=torch.Generator().manual_seed(0))
        assert placed.samples.starts.isfinite().all()
        assert torch.equal(placed.samples.starts[-16:], placed.samples.ends[-16:])
        assert not placed.proposals[0].weights[-1].any()
        assert midpoints(rays(), placed.samples).isfinite().all()


def test_only_the_weights_of_the_proposals_have_gradients_and_the_jitter_decides_the_rest() -> None:
    module = sampler()
    placed, again = (
        module.place(rays(), near=2.0, far=6.0, generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(placed.samples.starts, again.samples.starts)
    assert not torch.equal(placed.samples.starts, module.place(rays(), near=2.0, far=6.0).samples.starts)
    assert placed.edges is not None and not placed.edges.requires_grad and not placed.samples.starts.requires_grad
    torch.autograd.backward([histogram.weights.square().sum() for histogram in placed.proposals])
    assert all(float(field.density.grad.abs()) > 0 for field in module.fields)  # type: ignore[union-attr, operator]


def test_proposals_come_to_be_believed() -> None:
    assert annealed(0.0, 10.0) == 0 and annealed(1.0, 10.0) == 1 and 0.9 < annealed(0.5, 10.0) < 0.92
    module, seen = sampler(), []
    for step in (0, 50, 100, 1000):
        module.before_step(step, Ball(), torch.Generator())
        seen.append(module.figures()["anneal"])
    assert seen == [0.0, annealed(0.5, 10.0), 1.0, 1.0]
    module.before_step(0, Ball(), torch.Generator())
    at_first, in_evaluation = (
        on_surface(module.train(mode).place(rays(), near=2.0, far=6.0)) for mode in (True, False)
    )
    assert at_first < 0.3 and in_evaluation > 0.5
