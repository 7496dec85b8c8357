"""Every CUDA kernel against the PyTorch definition: values, gradients, odd memory, repetition, streams, mistakes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Generator, Tensor

from tests.gpu.cases import CASES, SIZES, Case
from tests.gpu.device import NEEDS_GPU, poison

pytestmark = NEEDS_GPU

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _insist_on_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an op without CUDA kernels fail instead of computing the definition."""
    monkeypatch.setenv("NSG_KERNELS", "cuda")


def exact(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU in double precision: what the definitions compute on."""
    return tensor.double() if tensor.is_floating_point() else tensor


def results(case: Case, inputs: dict[str, Tensor], cotangents: list[Tensor] | None = None) -> list[Tensor]:
    """Return the outputs of an op and, with cotangents for them, the gradients of its inputs."""
    arguments = {
        name: tensor.detach().requires_grad_(cotangents is not None and name in case.differentiable)
        for name, tensor in inputs.items()
    }
    found = case.run(**arguments)
    outputs = list(found) if isinstance(found, tuple) else [found]
    if cotangents is None or not case.differentiable:
        return outputs
    pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    wanted = [arguments[name] for name in case.differentiable]
    if pairs:
        gradients = torch.autograd.grad([o for o, _ in pairs], wanted, [c for _, c in pairs], materialize_grads=True)
    else:  # the constant among the harmonics
        gradients = tuple(torch.zeros_like(tensor) for tensor in wanted)
    return [*(output.detach() for output in outputs), *gradients]


def cotangents_for(outputs: Iterable[Tensor]) -> list[Tensor]:
    generator = Generator().manual_seed(5)
    return [
        torch.randn(output.shape, generator=generator) if output.is_floating_point() else torch.zeros(0)
        for output in outputs
    ]


def error(found: Tensor, expected: Tensor) -> float:
    """Return the norm of the error relative to that of what is expected; the share of wrong flags and integers."""
    assert found.shape == expected.shape
    found = found.cpu()
    if not expected.is_floating_point():
        return float((found != expected).double().mean()) if expected.numel() else 0.0
    assert bool(torch.isfinite(found).all()), "not finite"
    scale = float(expected.norm())
    return float((found.double() - expected).norm()) / (scale if scale > 0 else 1.0)


@every_case
@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients_are_those_of_the_definition(case: Case, size: int) -> None:
    inputs = case.draw(size, Generator().manual_seed(size))
    doubles = {name: exact(tensor) for name, tensor in inputs.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSG_KERNELS", "torch")
        cotangents = cotangents_for(results(case, doubles))
        expected = results(case, doubles, [exact(c) for c in cotangents])
    poison()
    found = results(case, {name: tensor.cuda() for name, tensor in inputs.items()}, [c.cuda() for c in cotangents])
    for index, (left, right) in enumerate(zip(found, expected, strict=True)):
        assert error(left, right) <= case.tolerance, f"result {index}"


@every_case
def test_tensors_that_are_not_contiguous_give_the_same(case: Case) -> None:
    inputs = {name: tensor.cuda() for name, tensor in case.draw(257, Generator().manual_seed(1)).items()}
    apart = {name: tensor.repeat_interleave(2, dim=-1)[..., ::2] for name, tensor in inputs.items()}
    cotangents = [c.cuda() for c in cotangents_for(results(case, inputs))]
    far = [c.repeat_interleave(2, dim=-1)[..., ::2] for c in cotangents]
    for left, right in zip(results(case, apart, far), results(case, inputs, cotangents), strict=True):
        assert torch.equal(left, right) or (case.order_varies and error(left, right.double().cpu()) < 1e-6)


@every_case
def test_a_second_run_gives_the_same(case: Case) -> None:
    inputs = {name: tensor.cuda() for name, tensor in case.draw(3000, Generator().manual_seed(2)).items()}
    cotangents = [c.cuda() for c in cotangents_for(results(case, inputs))]
    first, second = results(case, inputs, cotangents), results(case, inputs, cotangents)
    for left, right in zip(first, second, strict=True):
        assert torch.equal(left, right) or (case.order_varies and error(left, right.double().cpu()) < 1e-6)


@every_case
def test_kernels_wait_for_what_their_stream_still_computes(case: Case) -> None:
    inputs = {name: tensor.cuda() for name, tensor in case.draw(300, Generator().manual_seed(3)).items()}
    cotangents = [c.cuda() for c in cotangents_for(results(case, inputs))]
    expected = results(case, inputs, cotangents)
    late = {name: torch.zeros_like(tensor) for name, tensor in inputs.items()}
    late_cotangents = [torch.zeros_like(c) for c in cotangents]
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
        torch.cuda._sleep(50_000_000)  # type: ignore[no-untyped-call]
        pairs = [*((late[name], inputs[name]) for name in inputs), *zip(late_cotangents, cotangents, strict=True)]
        for target, source in pairs:
            target.copy_(source)
        found = results(case, late, late_cotangents)
    torch.cuda.synchronize()
    for left, right in zip(found, expected, strict=True):
        assert error(left, right.double().cpu() if right.is_floating_point() else right.cpu()) < 1e-6


@pytest.mark.parametrize("case", [case for case in CASES if len(case.draw(3, Generator())) > 1], ids=lambda c: c.name)
def test_tensors_on_different_devices_are_refused_by_name(case: Case) -> None:
    inputs = case.draw(5, Generator().manual_seed(4))
    for left_behind in inputs:
        mixed = {name: tensor if name == left_behind else tensor.cuda() for name, tensor in inputs.items()}
        with pytest.raises(ValueError, match=r"is on (cpu|cuda:0), expected (cpu|cuda:0) as \w+"):
            case.run(**mixed)
