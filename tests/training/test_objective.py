"""Weights times terms, and backgrounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nsg_cluster.config.schema import LossConfig
from nsg_cluster.geometry.rays import Histogram, RaySamples
from nsg_cluster.render.rendering import Rendering
from nsg_cluster.training.generators import step_generator
from nsg_cluster.training.objective import background_colors, score


def rendering(shift: float = 0.0) -> Rendering:
    """Return one ray with two samples of weights 0.2 and 0.6."""
    starts = torch.tensor([1.0, 2.0]) + shift
    return Rendering(
        color=torch.full((1, 3), 0.5),
        opacity=torch.tensor([0.8]),
        depth=torch.tensor([2.25]) + shift,
        samples=RaySamples(
            starts=starts, ends=starts + 0.5, rays=torch.zeros(2, dtype=torch.int64), offsets=torch.tensor([0, 2])
        ),
        weights=torch.tensor([0.2, 0.6]),
    )


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    config = LossConfig(photometric="mse", opacity_entropy=0.1, distortion=0.01)
    scored = score(config, rendering(), torch.full((1, 3), 0.4))
    entropy = -0.8 * torch.tensor(0.8).log()
    # Two intervals one unit apart: 2 w0 w1 |m0 - m1| + (w0^2 + w1^2) d / 3 (mip-NeRF 360, eq. 15).
    distortion = 2 * 0.2 * 0.6 * 1.0 + (0.04 + 0.36) * 0.5 / 3
    expected = {"photometric": 0.01, "opacity_entropy": 0.1 * float(entropy), "distortion": 0.01 * distortion}
    assert {name: float(term) for name, term in scored.terms.items()} == pytest.approx(expected, rel=1e-5)
    assert float(scored.loss) == pytest.approx(sum(expected.values()), rel=1e-5)
    assert float(scored.squared_error) == pytest.approx(0.01, rel=1e-5)


def test_distortion_does_not_depend_on_the_distance() -> None:
    config = LossConfig(photometric="mse", opacity_entropy=0, distortion=1)
    near, far = (score(config, rendering(shift), torch.full((1, 3), 0.5)).loss for shift in (0.0, 7.0))
    assert float(near) == pytest.approx(float(far), rel=1e-5)


def test_the_sky_costs_the_opacity_of_its_rays_alone() -> None:
    config, truth = LossConfig(photometric="mse", opacity_entropy=0, sky=0.5), torch.full((1, 3), 0.5)
    terms = [score(config, rendering(), truth, is_sky=torch.tensor([is_sky])).terms for is_sky in (True, False)]
    assert [float(each["sky"]) for each in terms] == pytest.approx([0.5 * 0.8, 0.0])
    assert "sky" not in score(config, rendering(), truth).terms


def test_terms_without_weight_are_left_out() -> None:
    assert set(score(LossConfig(opacity_entropy=0), rendering(), torch.zeros(1, 3)).terms) == {"photometric"}


def test_backgrounds_are_white_black_or_a_color_for_each_ray() -> None:
    cpu = torch.device("cpu")

    def of(kind: str) -> torch.Tensor:
        generator = step_generator(0, purpose="background")
        return background_colors(kind, 50, generator=generator, device=cpu)  # type: ignore[arg-type]

    assert (of("white") == 1).all() and (of("black") == 0).all()
    random = of("random")
    assert torch.equal(random, of("random"))
    assert len(torch.unique(random[:, 0])) == 50 and random.min() >= 0 and random.max() < 1


def proposed() -> Rendering:
    """Return a ray whose two samples came from a proposal that holds too little where the second is."""
    proposal = Histogram(edges=torch.tensor([[0.0, 0.5, 1.0]]), weights=torch.tensor([[0.7, 0.1]], requires_grad=True))
    found = Histogram(edges=torch.tensor([[0.1, 0.4, 0.9]]), weights=torch.tensor([[0.2, 0.9]]))
    return replace(rendering(), weights=found.weights[0], histograms=(proposal, found))


def test_proposals_learn_from_what_they_fail_to_cover() -> None:
    compared = proposed()
    scored = score(LossConfig(photometric="mse", opacity_entropy=0, interlevel=2), compared, compared.color)
    # The first sample lies within the first interval; the second overlaps both (mip-NeRF 360, eq. 13).
    expected = 2 * 0.1**2 / 0.9 / 2
    assert float(scored.terms["interlevel"].detach()) == pytest.approx(expected, rel=1e-4)
    torch.autograd.backward(scored.loss)
    gradient = compared.histograms[0].weights.grad
    assert gradient is not None and (gradient < 0).all()


def test_distortion_of_proposed_samples_is_measured_in_normalized_distance() -> None:
    scored = score(
        LossConfig(photometric="mse", opacity_entropy=0, distortion=1, interlevel=0), proposed(), torch.zeros(1, 3)
    )
    expected = 2 * 0.2 * 0.9 * (0.65 - 0.25) + (0.2**2 * 0.3 + 0.9**2 * 0.5) / 3
    assert float(scored.terms["distortion"]) == pytest.approx(expected, rel=1e-5)
