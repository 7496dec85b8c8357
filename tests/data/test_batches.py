"""Batches of rays."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from nsg_cluster.data.batches import RayBatches
from nsg_cluster.data.scene import Views
from nsg_cluster.geometry.cameras import Cameras, image_rays
from nsg_cluster.geometry.poses import orbit


def views(channels: int = 4) -> Views:
    """Three images of 4 x 5 pixels, each pixel of a color of its own."""
    images = torch.arange(3 * 4 * 5 * channels).remainder(256).to(torch.uint8).view(3, 4, 5, channels)
    cameras = Cameras(
        camera_to_world=orbit(torch.zeros(3), 2.0, 20.0, 3),
        focal_px=torch.full((3, 2), 5.0),
        center_px=torch.tensor([[2.5, 2.0]]).expand(3, 2),
        width=5,
        height=4,
    )
    return Views(cameras=cameras, images=images, names=("a", "b", "c"))


def test_rays_know_whether_they_end_in_the_sky_where_a_map_tells() -> None:
    classes = torch.arange(3 * 4 * 5, dtype=torch.int16).view(3, 4, 5) % 3
    batch = RayBatches(replace(views(), classes=classes, class_names=("Road", "Sky", "Car")), "cpu").image(1)
    assert batch.is_sky is not None and torch.equal(batch.is_sky, (classes[1] == 1).flatten())
    part = batch[3:7].is_sky
    assert part is not None and torch.equal(part, batch.is_sky[3:7])
    assert RayBatches(views(), "cpu").image(1).is_sky is None
    assert RayBatches(replace(views(), classes=classes, class_names=("a", "b", "c")), "cpu").image(1).is_sky is None


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_depends_on_the_state_of_the_generator_alone() -> None:
    generator, batches = seeded(0), RayBatches(views(), "cpu")
    batches.draw(7, generator)
    state = generator.get_state()
    first = batches.draw(50, generator)
    again = RayBatches(views(), "cpu").draw(50, torch.Generator().set_state(state))
    assert torch.equal(first.color, again.color)
    assert torch.equal(first.rays.directions, again.rays.directions)
    assert not torch.equal(first.color, batches.draw(50, generator).color)


def test_each_drawn_ray_has_the_color_of_its_own_pixel() -> None:
    source = views()
    batches = RayBatches(source, "cpu")
    drawn = batches.draw(300, seeded(0))
    for image in range(3):
        whole = batches.image(image)
        torch.testing.assert_close(whole.rays.directions, image_rays(source.cameras, image).directions)
        mine = drawn.rays.images == image
        near = torch.cdist(drawn.rays.directions[mine], whole.rays.directions).argmin(dim=1)
        torch.testing.assert_close(drawn.rays.directions[mine], whole.rays.directions[near])
        torch.testing.assert_close(drawn.rays.origins[mine], whole.rays.origins[near])
        assert torch.equal(drawn.color[mine], whole.color[near])
        assert torch.equal(drawn.alpha[mine], whole.alpha[near])


def test_pixels_are_drawn_uniformly_over_all_images() -> None:
    source = views(3)
    drawn = RayBatches(source, "cpu").draw(60_000, seeded(3))
    counts = torch.bincount((drawn.color[:, 0] * 255).round().long())
    counts = counts[counts > 0]
    assert len(counts) == 60
    # 60 pixels expect 1000 draws each; the statistic is chi-squared with 59 degrees of freedom, above 110 once in 10^4.
    assert float(((counts - 1000.0) ** 2 / 1000.0).sum()) < 110


def test_all_pixels_of_an_image_come_row_by_row_premultiplied_by_alpha() -> None:
    source = views()
    batch = RayBatches(source, "cpu").image(1)
    pixels = source.images[1].reshape(-1, 4).float() / 255
    torch.testing.assert_close(batch.alpha, pixels[:, 3])
    torch.testing.assert_close(batch.color, pixels[:, :3] * pixels[:, 3:])


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_over_a_background_a_clear_pixel_shows_it_and_an_opaque_one_hides_it(background: float) -> None:
    source = views()
    source.images[0, 0, 0] = torch.tensor([10, 20, 30, 0], dtype=torch.uint8)
    source.images[0, 0, 1] = torch.tensor([51, 102, 255, 255], dtype=torch.uint8)
    batch = RayBatches(source, "cpu").image(0)
    color = batch.over(torch.full((20, 3), background))
    assert color[0].tolist() == [background] * 3
    torch.testing.assert_close(color[1], torch.tensor([0.2, 0.4, 1.0]))


def test_images_without_alpha_are_opaque_and_stay_eight_bit_in_memory() -> None:
    batches = RayBatches(views(3), "cpu")
    assert batches.pixels.dtype == torch.uint8
    assert batches.pixels.shape == (60, 3)
    alpha: Tensor = batches.image(2).alpha
    assert alpha.tolist() == [1.0] * 20


def test_pixels_of_one_image_or_of_the_middle_alone_can_be_drawn() -> None:
    batches = RayBatches(views(), "cpu")
    images = [
        torch.div(batches.draw_pixels(200, seeded(seed), one_image=True), 20, rounding_mode="floor")
        for seed in range(9)
    ]
    assert all(len(set(drawn.tolist())) == 1 for drawn in images)
    assert len(set(torch.cat(images).tolist())) == 3
    middle = batches.draw_pixels(500, seeded(0), fraction=0.5)
    assert set((torch.div(middle, 5, rounding_mode="floor") % 4).tolist()) == {1, 2}
    assert set((middle % 5).tolist()) == {1, 2}
    assert len(set(torch.div(middle, 20, rounding_mode="floor").tolist())) == 3
    whole = batches.draw_pixels(2000, seeded(0), one_image=True)
    assert len(set((whole % 20).tolist())) == 20


def test_where_a_mask_is_black_the_truth_is_what_was_rendered() -> None:
    seen = torch.rand(3, 4, 5, generator=seeded(2)) < 0.5
    batch = RayBatches(replace(views(), seen=seen), "cpu").draw(200, seeded(4))
    background = torch.rand(200, 3, generator=seeded(5))
    rendered = torch.rand(200, 3, generator=seeded(6), requires_grad=True)
    truth = batch.truth(background, rendered)
    assert batch.seen is not None and 0 < int(batch.seen.sum()) < 200
    assert torch.equal(truth[batch.seen], batch.over(background)[batch.seen])
    torch.autograd.backward((truth - rendered).square().sum())
    assert rendered.grad is not None
    assert bool((rendered.grad[~batch.seen] == 0).all()) and bool((rendered.grad[batch.seen] != 0).any())
    part = batch[10:20]
    assert part.seen is not None and torch.equal(part.seen, batch.seen[10:20])
    plain = RayBatches(views(), "cpu").draw(5, seeded(4))
    assert torch.equal(plain.truth(background[:5], rendered[:5]), plain.over(background[:5]))
