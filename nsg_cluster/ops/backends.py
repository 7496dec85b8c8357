"""Hash grids and perceptrons computed by a library of one's choice: ours, plain PyTorch, or tiny-cuda-nn.

All take the same parameters, so that a model trained with one can be used with another. tiny-cuda-nn computes on a GPU
and, where that is its preference, in float16 from parameters in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nsg_cluster.core.errors import MachineError
from nsg_cluster.ops import encode
from nsg_cluster.ops import mlp as native_mlp
from nsg_cluster.ops.reference import encode as reference_encode
from nsg_cluster.ops.reference import mlp as reference_mlp
from nsg_cluster.ops.reference.encode import HashGridLayout
from nsg_cluster.ops.tiny_cuda_nn import export_hash_table, export_network

__all__ = ["Backend", "check_backend", "hash_encode", "mlp"]

Backend = Literal["native", "torch", "tinycudann"]
FUSED_WIDTHS = (16, 32, 64, 128)


def check_backend(backend: Backend) -> None:
    """Find out whether a backend can be used here.

    Raises:
        MachineError: Its package is missing or does not work.
    """
    if backend == "tinycudann":
        _tiny_cuda_nn()


def hash_encode(
    points: Float[Tensor, "points 3"],
    table: Float[Tensor, "entries features"],
    layout: HashGridLayout,
    *,
    backend: Backend = "native",
) -> Float[Tensor, "points width"]:
    """Do what ``ops.encode.hash_encode`` does.

    Raises:
        MachineError: The package of the backend is missing or does not work.
    """
    if backend == "native":
        return encode.hash_encode(points, table, layout)
    if backend == "torch":
        return reference_encode.hash_encode(points, table, layout)
    return _call(_encoding(layout), export_hash_table(table), points)


def mlp(
    values: Float[Tensor, "points inputs"], weights: Sequence[Float[Tensor, "_ _"]], *, backend: Backend = "native"
) -> Float[Tensor, "points outputs"]:
    """Do what ``ops.mlp.mlp`` does.

    Raises:
        MachineError: The package of the backend is missing or does not work.
        ValueError: tiny-cuda-nn is asked for hidden layers of different widths.
    """
    if backend == "native":
        return native_mlp.mlp(values, weights)
    if backend == "torch":
        return reference_mlp.mlp(values, weights)
    sizes = (values.shape[1], *(len(weight) for weight in weights))
    if len(set(sizes[1:-1])) != 1:
        raise ValueError(f"mlp: hidden widths are {sizes[1:-1]}, expected one or more that are equal for tinycudann")
    return _call(_network(sizes), export_network(weights), values)


def _call(module: nn.Module, parameters: Float[Tensor, " parameters"], values: Tensor) -> Tensor:
    """Let a module compute with parameters that are not its own."""
    result: Tensor = torch.func.functional_call(module, {"params": parameters}, (values,))
    return result.to(values.dtype)


@cache
def _tiny_cuda_nn() -> Any:
    try:
        import tinycudann
    except (ImportError, OSError) as error:  # the latter without a GPU
        raise MachineError(
            f"model.backend: 'tinycudann' cannot be used here ({error}); take 'native', which computes the same, or "
            "install the PyTorch extension of tiny-cuda-nn"
        ) from None
    return tinycudann


@cache
def _encoding(layout: HashGridLayout) -> nn.Module:
    growth = (layout.max_resolution / layout.base_resolution) ** (1 / max(layout.levels - 1, 1))
    config = {
        "otype": "HashGrid",
        "n_levels": layout.levels,
        "n_features_per_level": layout.features,
        "log2_hashmap_size": layout.log2_table_size,
        "base_resolution": layout.base_resolution,
        "per_level_scale": growth,
    }
    return _without_parameters(_tiny_cuda_nn().Encoding(3, config))


@cache
def _network(sizes: tuple[int, ...]) -> nn.Module:
    inputs, width, outputs = sizes[0], sizes[1], sizes[-1]
    config = {
        "otype": "FullyFusedMLP" if width in FUSED_WIDTHS else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": width,
        "n_hidden_layers": len(sizes) - 2,
    }
    return _without_parameters(_tiny_cuda_nn().Network(inputs, outputs, config))


def _without_parameters(module: Any) -> nn.Module:
    """Free the initial parameters of a module, which are never used."""
    module.params = nn.Parameter(module.params.detach()[:0].clone())
    found: nn.Module = module
    return found
