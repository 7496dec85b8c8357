"""Sizes that do not fit into 32 bits, memory that begins at odd addresses, several devices."""

from __future__ import annotations

import pytest
import torch

from nsg_cluster.ops.encode import HashGridLayout, hash_encode, trunc_exp
from tests.gpu.device import NEEDS_GPU

pytestmark = NEEDS_GPU

LAYOUT = HashGridLayout(levels=16, features=2, log2_table_size=12, base_resolution=4, max_resolution=64)


def needs_memory(gib: float) -> None:
    """Skip where the device has too little free memory."""
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0] / 2**30
    if free < gib:
        pytest.skip(f"the device has {free:.0f} GiB of free memory, {gib:.0f} are needed")


def test_more_than_two_to_the_31_elements_are_all_computed() -> None:
    needs_memory(20)
    x = torch.zeros(2**31 + 5, device="cuda")
    x[-5:] = torch.arange(5.0, device="cuda")
    value = trunc_exp(x)
    assert bool((value[:-5] == 1).all())
    torch.testing.assert_close(value[-5:], x[-5:].exp())


def test_more_than_two_to_the_31_encoded_features_stand_where_they_belong() -> None:
    needs_memory(24)
    points = torch.rand(2**26 + 3, 3, device="cuda")
    table = torch.randn(LAYOUT.num_entries, 2, device="cuda")
    encoded = hash_encode(points, table, LAYOUT)
    assert encoded.numel() > 2**31
    chosen = torch.tensor([0, 1, 2**25, 2**26 - 1, 2**26, 2**26 + 2], device="cuda")
    assert torch.equal(encoded[chosen], hash_encode(points[chosen], table, LAYOUT))


def test_a_table_at_an_odd_address_is_refused_with_the_remedy() -> None:
    memory = torch.randn(2 * LAYOUT.num_entries + 1, device="cuda")
    table = memory[1:].view(-1, 2)
    with pytest.raises(RuntimeError, match=r"hash_encode_forward: table begins .* multiple of 16 bytes.* clone"):
        hash_encode(torch.rand(8, 3, device="cuda"), table, LAYOUT)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are fewer than two CUDA devices")
def test_kernels_run_on_the_device_of_their_tensors_and_leave_the_current_one() -> None:
    x = torch.rand(1000, device="cuda:1", requires_grad=True)
    value = trunc_exp(x)
    torch.autograd.backward(value.sum())
    assert torch.cuda.current_device() == 0
    torch.testing.assert_close(value, x.exp())
    torch.testing.assert_close(x.grad, x.detach().exp())
