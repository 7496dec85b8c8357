"""Hash grids and perceptrons by each library: the same numbers from the same parameters."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from nsg_cluster.core.errors import MachineError
from nsg_cluster.ops import backends
from nsg_cluster.ops.encode import HashGridLayout
from nsg_cluster.ops.tiny_cuda_nn import import_hash_table, import_network

LAYOUT = HashGridLayout(levels=4, features=2, log2_table_size=10, base_resolution=4, max_resolution=32)


def grid() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(300, 3, generator=generator), torch.randn(LAYOUT.num_entries, 2, generator=generator)


def network() -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(*shape, generator=generator) / 4 for shape in ((32, 8), (32, 32), (5, 32))]
    return torch.randn(300, 8, generator=generator), weights


def assert_same_with_gradients(
    function: Any, inputs: list[torch.Tensor], device: str, backend: str, atol: float
) -> None:
    results = []
    for name in ("native", backend):
        moved = [tensor.detach().to(device).requires_grad_() for tensor in inputs]
        output = function(*moved, backend=name)
        torch.autograd.backward(output.square().sum())
        results.append([output.detach(), *(tensor.grad for tensor in moved)])
    for ours, theirs in zip(*results, strict=True):
        scale = float(ours.abs().max())
        assert torch.allclose(ours, theirs, rtol=0, atol=atol * scale)


def encoded(points: torch.Tensor, table: torch.Tensor, *, backend: Any) -> torch.Tensor:
    return backends.hash_encode(points, table, LAYOUT, backend=backend)


def multiplied(values: torch.Tensor, *weights: torch.Tensor, backend: Any) -> torch.Tensor:
    return backends.mlp(values, weights, backend=backend)


def test_plain_pytorch_gives_what_the_kernels_give() -> None:
    assert_same_with_gradients(encoded, [*grid()], "cpu", "torch", 1e-5)
    values, weights = network()
    assert_same_with_gradients(multiplied, [values, *weights], "cpu", "torch", 1e-5)


@pytest.mark.gpu
def test_tiny_cuda_nn_gives_what_the_kernels_give() -> None:
    if importlib.util.find_spec("tinycudann") is None or not torch.cuda.is_available():
        pytest.skip("tiny-cuda-nn's PyTorch extension is not installed, or there is no GPU")
    assert_same_with_gradients(encoded, [*grid()], "cuda", "tinycudann", 2e-2)
    values, weights = network()
    assert_same_with_gradients(multiplied, [values, *weights], "cuda", "tinycudann", 2e-2)


def test_without_tiny_cuda_nn_there_is_one_sentence() -> None:
    backends.check_backend("native")
    if importlib.util.find_spec("tinycudann") is not None:
        pytest.skip("tiny-cuda-nn is installed")
    with pytest.raises(MachineError, match=r"model\.backend: 'tinycudann' cannot be used here \(.*\); take 'native'"):
        backends.check_backend("tinycudann")


class Stand(torch.nn.Module):
    """A module of tiny-cuda-nn as far as Python sees it, computed from its parameters' documented layout."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.params = torch.nn.Parameter(torch.full((size,), float("nan")))


class Encoding(Stand):
    def __init__(self, inputs: int, config: dict[str, Any]) -> None:
        assert (inputs, config["otype"], config["n_levels"]) == (3, "HashGrid", 4)
        assert config["per_level_scale"] == pytest.approx(2.0)
        super().__init__(LAYOUT.num_entries * 2)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return encoded(points, import_hash_table(self.params, LAYOUT), backend="torch").half()


class Network(Stand):
    def __init__(self, inputs: int, outputs: int, config: dict[str, Any]) -> None:
        self.sizes = (inputs, *[config["n_neurons"]] * config["n_hidden_layers"], outputs)
        assert (config["otype"], config["output_activation"]) == ("FullyFusedMLP", "None")
        super().__init__(1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return multiplied(values, *import_network(self.params, self.sizes), backend="torch").half()


def test_tiny_cuda_nn_is_given_our_parameters_in_its_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("tinycudann")
    package.Encoding, package.Network = Encoding, Network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tinycudann", package)
    cached = (backends._tiny_cuda_nn, backends._encoding, backends._network)
    for function in cached:
        function.cache_clear()  # type: ignore[attr-defined]
    assert_same_with_gradients(encoded, [*grid()], "cpu", "tinycudann", 2e-3)
    values, weights = network()
    assert_same_with_gradients(multiplied, [values, *weights], "cpu", "tinycudann", 2e-3)
    with pytest.raises(ValueError, match=r"hidden widths are \(32, 16\), expected"):
        backends.mlp(values, [weights[0], torch.ones(16, 32), torch.ones(3, 16)], backend="tinycudann")
    for function in cached:
        function.cache_clear()  # type: ignore[attr-defined]
