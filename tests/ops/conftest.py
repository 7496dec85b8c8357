"""Fixtures that run an op on each backend, and compare backends in values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor

from nsg_cluster.ops import library

needs_kernels = pytest.mark.skipif(library.module() is None, reason="nsg_kernels is not installed here")


@pytest.fixture(params=["torch", pytest.param("cpu", marks=needs_kernels)])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with the definitions, and again with the compiled kernels."""
    monkeypatch.setenv("NSG_KERNELS", request.param)
    return str(request.param)


@pytest.fixture(params=[pytest.param("cpu", marks=needs_kernels)])
def agree(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that holds the compiled kernels against the definition, in values and gradients."""

    def check(
        function: Callable[..., Any], inputs: Sequence[Tensor], *, tolerance: float = 1e-5, exact: bool = False
    ) -> None:
        monkeypatch.setenv("NSG_KERNELS", "torch")
        wanted = _values_and_gradients(function, inputs)
        monkeypatch.setenv("NSG_KERNELS", request.param)
        found = _values_and_gradients(function, inputs)
        assert len(found) == len(wanted)
        for actual, expected in zip(found, wanted, strict=True):
            assert actual.shape == expected.shape
            assert actual.dtype == expected.dtype
            if exact or not expected.dtype.is_floating_point:
                assert torch.equal(actual, expected)
            else:
                scale = float(expected.abs().max()) if expected.numel() else 0.0
                torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance * scale + 1e-12)

    return check


def _values_and_gradients(function: Callable[..., Any], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the outputs, and the gradients by the inputs that require them, given fixed gradients of the outputs."""
    leaves = [tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in inputs]
    result = function(*leaves)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    differentiable = [output for output in outputs if output.requires_grad]
    if not differentiable:
        return outputs
    generator = torch.Generator().manual_seed(7)
    grads = [torch.randn(output.shape, generator=generator) for output in differentiable]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    return [output.detach() for output in outputs] + list(torch.autograd.grad(differentiable, wanted, grads))


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """Switch off the shape checks that only tests have: a user without them reads the op's own sentence."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)  # the package's own signature
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def generator() -> torch.Generator:
    """Return a seeded source of random numbers."""
    return torch.Generator().manual_seed(0)
