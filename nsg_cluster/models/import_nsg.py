"""Official weights of Neural Scene Graphs → our state, without running anything that is in the files.

A network is a 1-D object array of kernels (inputs, outputs) and biases in the order of the layers, saved by
``np.save``, which pickles it. Files from elsewhere may hold any pickle, so that only numpy's arrays are let through.
Format: princeton-computational-imaging/neural-scene-graphs, as `example_weights` there holds it.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from nsg_cluster.core.errors import DataError, reason_of
from nsg_cluster.models.scene_graph import SceneGraph

__all__ = [
    "NSG_CLASSES",
    "NsgArgs",
    "NsgWeights",
    "experiment_of",
    "field_state",
    "graph_state",
    "read_array",
    "read_weights",
]

ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
NSG_CLASSES = {"car": 0, "van": 0, "truck": 2, "tram": 3, "pedestrian": 4}
"""What the original calls the classes of KITTI."""
ARRAYS = 30
COLOR_LAYERS = 4
IMAGE_SIZE = (1242, 375)
"""Width and height in pixels of most of KITTI's images, for a sequence whose images are not at hand."""
_STEP = re.compile(r"model_(\d+)\.npy")
_CLASS = re.compile(r"model_class_(\d+)_(\d+)\.npy")
_OBJECT = re.compile(r"model_obj_(\d+)_(\d+)\.npy")
_LATENT = re.compile(r"latent_vector_obj_(\d+)_(\d+)\.npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class NsgWeights:
    """What a folder of the original program holds for one step."""

    step: int
    background: tuple[Tensor, ...]
    """Kernels and biases."""
    classes: dict[int, tuple[Tensor, ...]]
    """Of the network of each class."""
    objects: dict[int, tuple[Tensor, ...]]
    """Of the network of each track, where there are no latents."""
    latents: dict[int, Tensor]
    """Of each track."""
    args: NsgArgs


@dataclass(frozen=True, slots=True, kw_only=True)
class NsgArgs:
    """What ``args.txt`` says about the model."""

    values: dict[str, str]

    def number(self, name: str, default: float) -> float:
        """Return a number.

        Raises:
            DataError: It is none.
        """
        text = self.values.get(name, "None")
        if text == "None":
            return default
        try:
            return float(text)
        except ValueError:
            raise DataError(f"args.txt: {name} is {text!r}, expected a number") from None

    def numbers(self, name: str) -> list[int]:
        """Return the whole numbers of a list, whatever stands around them."""
        return [int(float(found)) for found in re.findall(r"\d+(?:\.\d*)?", self.values.get(name, ""))]


class _Unpickler(pickle.Unpickler):
    """Finds nothing but numpy's arrays."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}")
        return super().find_class(module, name)


def read_array(path: Path) -> np.ndarray:
    """Read an ``.npy`` file, also one of an object array, and run nothing that is in it.

    Raises:
        DataError: It cannot be read, is no ``.npy`` file, or holds anything but arrays of numbers.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: is refused: {error}, and a file of weights holds arrays of numbers alone. "
            "Do not load it with numpy's allow_pickle either: it could run any program"
        ) from None
    except (ValueError, EOFError, TypeError, AttributeError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not an .npy file of the original program ({error})") from None


def _read(file: IO[bytes]) -> np.ndarray:
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    _, _, dtype = readers[version](file)  # type: ignore[no-untyped-call]
    if dtype.hasobject:
        found = _Unpickler(file).load()
        if not isinstance(found, np.ndarray):
            raise ValueError("no array")
        return found
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))  # type: ignore[no-untyped-call]


def read_weights(folder: Path, step: int | None = None) -> NsgWeights:
    """Read a folder of the original program: the newest step, or a given one.

    Raises:
        DataError: A file is missing, broken or refused.
    """
    steps = sorted(int(found[1]) for path in _files(folder) if (found := _STEP.fullmatch(path.name)))
    if not steps:
        raise DataError(f"{folder}: holds no model_<step>.npy, which is the background of Neural Scene Graphs")
    if step is not None and step not in steps:
        raise DataError(f"{folder}: holds no step {step}; there are {', '.join(map(str, steps))}")
    chosen = steps[-1] if step is None else step
    latents = {}
    for track, path in _numbered(folder, _LATENT, chosen).items():
        latents[track] = torch.from_numpy(np.array(_numbers(read_array(path), path, 1)))
    return NsgWeights(
        step=chosen,
        background=_network(folder / f"model_{chosen:06d}.npy"),
        classes={number: _network(path) for number, path in _numbered(folder, _CLASS, chosen).items()},
        objects={number: _network(path) for number, path in _numbered(folder, _OBJECT, chosen).items()},
        latents=latents,
        args=_args(folder / "args.txt"),
    )


def experiment_of(weights: NsgWeights, *, name: str, root: str | None = None) -> dict[str, Any]:
    """Return the experiment that the original program's arguments describe, as the document that a YAML file holds.

    Args:
        weights: What was read.
        name: Name of the experiment.
        root: Folder of KITTI tracking; by default the one in the arguments.

    Raises:
        DataError: The weights are not of a KITTI sequence, or an argument is not understood.
    """
    args = weights.args
    if args.values.get("dataset_type") != "kitti":
        raise DataError(f"args.txt: dataset_type is {args.values.get('dataset_type')!r}, only 'kitti' can be imported")
    place = re.fullmatch(r"(.*?)/?training/image_?0?2?/(\d{4})/?", args.values.get("datadir", ""))
    if place is None:
        raise DataError("args.txt: datadir is not <KITTI>/training/image02/<sequence>")
    first, last = args.numbers("first_frame"), args.numbers("last_frame")
    if not first or len(first) != len(last):
        raise DataError("args.txt: first_frame and last_frame must be as many, and at least one")
    return {
        "name": name,
        "description": f"Official weights of Neural Scene Graphs, step {weights.step}",
        "data": {
            "kind": "kitti",
            "root": root or place[1] or ".",
            "sequence": place[2],
            "frames": ", ".join(f"{low}-{high}" for low, high in zip(first, last, strict=True)),
            "geometry": "nsg_compat",
            "protocol": "reconstruction",
            "box_scale": args.number("box_scale", 1.0),
            "near": args.number("near_plane", 0.5),
            "far": args.number("far_plane", 150.0),
            "image_size": list(IMAGE_SIZE),
        },
        "model": _model_of(args, has_latents=bool(weights.latents)),
        "train": {
            "steps": 1_000_000,
            "rays": int(args.number("N_rand", 4096)),
            "samples": None,
            "background": "black",
            "transmittance_threshold": 0,
            "optimizer": {"learning_rate": args.number("lrate", 5e-4), "betas": [0.9, 0.999], "eps": 1e-7},
            "schedule": {
                "kind": "exponential",
                "warmup_steps": 0,
                "final_factor": 0.1 ** (1000.0 / args.number("lrate_decay", 250.0)),
            },
            "loss": {"photometric": "mse", "opacity_entropy": 0, "latent": args.number("latent_balance", 0.01)},
        },
        "evaluate": {"background": "black"},
        "render": {"background": "black", "formats": ["png"]},
    }


def _model_of(args: NsgArgs, *, has_latents: bool) -> dict[str, Any]:
    """Return the section ``model``."""

    def field(suffix: str) -> dict[str, Any]:
        return {
            "kind": "nerf",
            "width": int(args.number(f"netwidth{suffix}", 256)),
            "hidden_layers": int(args.number(f"netdepth{suffix}", 8)),
            "color_layers": COLOR_LAYERS,
            "position_frequencies": int(args.number("multires", 10)),
            "direction_frequencies": int(args.number("multires_views", 4)),
            "density_noise": args.number("raw_noise_std", 0.0),
        }

    tells_place = args.values.get("object_setting", "0") != "1"
    return {
        "kind": "scene_graph",
        "background": {
            "field": field(""),
            "sampler": {"kind": "planes", "samples": int(args.number("N_samples", 6))},
        },
        "objects": {
            "field": field("_fine"),
            "share": "class" if has_latents else "object",
            "latent": int(args.number("latent_size", 0)),
            "samples": int(args.number("N_samples_obj", 7)),
            "placing": "points",
            "opaque": args.values.get("obj_opaque") == "True",
            "place_frequencies": int(args.number("multires_obj", 4)) if tells_place else None,
        },
    }


def graph_state(weights: NsgWeights, graph: SceneGraph) -> dict[str, Tensor]:
    """Return the state of a graph whose nodes are the original ones; its planes and tables stay as they are.

    Raises:
        DataError: The files lack a network or a latent vector that the scene needs, or a shape does not fit.
    """
    first = graph.bank_sizes[0]
    kinds = [(NSG_CLASSES.get(name), track) for name, track in zip(graph.classes, graph.tracks, strict=True)][:first]
    parts = {"background.field.": field_state([weights.background], latent=0)}
    if weights.latents:
        missing = sorted(track for _, track in kinds if track not in weights.latents)
        networks = [_found(weights.classes, kind, "class") for kind in dict.fromkeys(kind for kind, _ in kinds)]
        if missing:
            raise DataError(f"there is no latent vector of track {', '.join(map(str, missing))}, which the scene has")
        latents = torch.stack([weights.latents[track] for _, track in kinds])
        parts["objects.field."] = field_state(networks, latent=latents.shape[1])
        parts["objects."] = {"latents": latents}
    else:
        parts["objects.field."] = field_state([_found(weights.objects, track, "track") for _, track in kinds], latent=0)
    ours = graph.state_dict()
    state = {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}
    for name, value in state.items():
        if name not in ours or ours[name].shape != value.shape:
            expected = tuple(ours[name].shape) if name in ours else "none"
            raise DataError(f"'{name}' has the shape {tuple(value.shape)} in the files, and {expected} in the model")
    return ours | state


def _found(networks: dict[int, tuple[Tensor, ...]], number: int | None, what: str) -> tuple[Tensor, ...]:
    if number is None or number not in networks:
        have = ", ".join(map(str, networks)) or "none"
        raise DataError(f"there is no network of {what} {number}, which the scene has; there are: {have}")
    return networks[number]


def field_state(networks: Sequence[Sequence[Tensor]], *, latent: int) -> dict[str, Tensor]:
    """Return the state of a `fields.nerf.NerfField` that computes what the original networks do.

    Kernels become matrices (outputs, inputs); after the skip ours has the hidden features before the latent vector.
    """
    state: dict[str, Tensor] = {}
    encoded = networks[0][0].shape[0] - latent
    for name, index in _places().items():
        kernels = torch.stack([network[index].T for network in networks])
        if name == "trunk.5":
            parts = torch.split(kernels, [encoded, latent, kernels.shape[2] - encoded - latent], dim=2)
            kernels = torch.cat([parts[0], parts[2], parts[1]], dim=2)
        state[f"{name}.weight"] = kernels.contiguous()
        state[f"{name}.bias"] = torch.stack([network[index + 1] for network in networks])
    return state


def _places() -> dict[str, int]:
    """Return where the kernel of each layer stands in the list; its bias is the next one."""
    trunk = {f"trunk.{layer}": 2 * layer for layer in range(8)}
    colors = {f"color_layers.{layer}": 18 + 2 * layer for layer in range(4)}
    return {**trunk, "bottleneck": 16, **colors, "color_head": 26, "density_head": 28}


def _network(path: Path) -> tuple[Tensor, ...]:
    arrays = read_array(path)
    if arrays.shape != (ARRAYS,):
        raise DataError(f"{path}: holds an array of shape {arrays.shape}, expected {ARRAYS} kernels and biases")
    return tuple(torch.from_numpy(np.array(_numbers(array, path, 2 - index % 2))) for index, array in enumerate(arrays))


def _numbers(array: Any, path: Path, dims: int) -> np.ndarray:
    is_good = isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.ndim == dims
    if not is_good or not bool(np.isfinite(array).all()):
        raise DataError(f"{path}: holds something else than finite numbers where a layer of {dims} dimensions belongs")
    return np.asarray(array, dtype=np.float32)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder; give the one that holds model_<step>.npy and args.txt")
    return sorted(folder.iterdir())


def _numbered(folder: Path, pattern: re.Pattern[str], step: int) -> dict[int, Path]:
    """Return the files of a step by the number of their class or track."""
    matches = [(pattern.fullmatch(path.name), path) for path in _files(folder)]
    return {int(found[1]): path for found, path in matches if found and int(found[2]) == step}


def _args(path: Path) -> NsgArgs:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({reason_of(error)}); it says what the networks are, so it is needed"
        ) from None
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    return NsgArgs(values={name.strip(): value.strip() for name, value in pairs})
