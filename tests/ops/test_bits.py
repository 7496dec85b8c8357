"""Morton codes and packed bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator

from nsg_cluster.ops.bits import morton_decode, morton_encode, pack_bits, unpack_bits


def test_morton_codes_interleave_x_lowest(backend: str) -> None:
    cells = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [3, 5, 6], [(1 << 21) - 1] * 3])
    # 3, 5, 6 = 011, 101, 110 in binary: from the highest bit on, z y x of each place are 110, 101, 011.
    assert morton_encode(cells).tolist() == [1, 2, 4, 0b110_101_011, (1 << 63) - 1]


def test_decoding_inverts_encoding(backend: str, generator: Generator) -> None:
    cells = torch.randint(1 << 21, (1000, 3), generator=generator)
    assert torch.equal(morton_decode(morton_encode(cells)), cells)


def test_a_block_of_eight_cells_is_one_byte(backend: str) -> None:
    cells = torch.cartesian_prod(*[torch.arange(2)] * 3) + torch.tensor([4, 2, 6])
    assert len(set((morton_encode(cells) >> 3).tolist())) == 1


def test_the_first_flag_is_the_lowest_bit(backend: str) -> None:
    flags = torch.tensor([True, False, False, False, False, False, False, True] + [False, True] * 4)
    assert pack_bits(flags).tolist() == [129, 170]


def test_unpacking_inverts_packing(backend: str, generator: Generator) -> None:
    flags = torch.rand(8000, generator=generator) < 0.3
    assert torch.equal(unpack_bits(pack_bits(flags)), flags)


@pytest.mark.parametrize("count", [0, 8, 800])
def test_backends_agree_on_bits(agree: Callable[..., None], generator: Generator, count: int) -> None:
    cells = torch.randint(1 << 21, (count, 3), generator=generator)
    agree(morton_encode, (cells,))
    agree(morton_decode, (morton_encode(cells),))
    agree(pack_bits, (torch.rand(count, generator=generator) < 0.5,))
    agree(unpack_bits, (torch.randint(256, (count,), generator=generator, dtype=torch.uint8),))


def test_views_are_packed_like_copies(backend: str, generator: Generator) -> None:
    flags = torch.rand(64, generator=generator) < 0.5
    assert torch.equal(pack_bits(flags[::2]), pack_bits(flags[::2].clone()))
    cells = torch.randint(9, (3, 10), generator=generator)
    assert torch.equal(morton_encode(cells.t()), morton_encode(cells.t().contiguous()))


def test_wrong_arguments_get_a_sentence(backend: str, unchecked_shapes: None) -> None:
    with pytest.raises(ValueError, match="pack_bits: the number of flags is 7, expected a multiple of 8"):
        pack_bits(torch.ones(7, dtype=torch.bool))
    with pytest.raises(TypeError, match="pack_bits: flags is uint8, expected bool"):
        pack_bits(torch.ones(8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"morton_encode: cells has shape \(4, 2\), expected \(cells, 3\)"):
        morton_encode(torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(TypeError, match="morton_decode: codes is int32, expected int64"):
        morton_decode(torch.zeros(4, dtype=torch.int32))
