"""Pictures of the nodes of a scene graph: which object and which class each pixel shows, and how much of it.

Raw files hold numbers: 8-bit opacities by node in an ``.npz``, and 16-bit PNG in which 0 is the background and an
object's number is its track's plus one, as the instance maps of Virtual KITTI 2 count. Tables say where objects stand,
for ``render.edits`` with ``manipulate: {name: handcrafted}``.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from jaxtyping import Int64, UInt8

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.files import write_atomic
from nsg_cluster.data.images import encode_png
from nsg_cluster.models.scene_graph import SceneGraph
from nsg_cluster.models.tables_by_hand import hand_table, table_name
from nsg_cluster.render.image import ImageRendering
from nsg_cluster.render.rendering import RadianceModel

__all__ = ["NodeWriter", "palette"]

# The golden ratio spreads hues evenly however many there are.
HUE_STEP = 0.61803398875


def palette(count: int) -> UInt8[np.ndarray, "count 3"]:
    """Return colors that are easily told apart; the first one, for the background, is dark gray."""
    import colorsys

    colors = [colorsys.hsv_to_rgb(index * HUE_STEP % 1.0, 0.75, 1.0) for index in range(1, count)]
    listed = np.array([(0.2, 0.2, 0.2), *colors][:count]).reshape(-1, 3)
    rounded: np.ndarray = np.rint(listed * 255).astype(np.uint8)
    return rounded


class NodeWriter:
    """Writes the maps of one picture after another into folders beside the videos."""

    def __init__(self, folder: Path, stem: str, model: RadianceModel, names: Sequence[str] | None) -> None:
        """Prepare.

        Raises:
            ConfigError: The model has no nodes.
        """
        if not isinstance(model, SceneGraph):
            raise ConfigError("render.nodes: only a model of kind 'scene_graph' has nodes")
        self._folders = {
            kind: folder / f"{stem}_{kind}" for kind in ("instances", "classes", "instance_ids", "opacities", "tables")
        }
        for each in self._folders.values():
            each.mkdir(parents=True, exist_ok=True)
        self._names = names
        with torch.no_grad():
            shown = model.shown.placements.to(next(model.parameters()).device)
            self._rows = model.per_object.refined(shown).to("cpu")
        self._kinds = sorted(set(model.classes))
        self._classes = np.array([0, *(1 + self._kinds.index(name) for name in model.classes)])
        self._own = own = model.tracks
        self._tracks = [*own, *(f"new-{index}" for index in range(len(model.classes) - len(own)))]
        self._numbers = np.array([0, *(track + 1 for track in own), *([65535] * (len(model.classes) - len(own)))])
        self.written: list[Path] = []
        self._count = 0

    def add(self, rendering: ImageRendering) -> None:
        """Write the maps of a picture."""
        shares = rendering.node_opacity
        assert shares is not None  # asked for
        shown: Int64[np.ndarray, "height width"] = shares.argmax(dim=2).numpy()
        shown = np.where(shares.sum(dim=2).numpy() < 0.5, 0, shown)
        name = self._names[self._count] if self._names else f"{self._count:05d}"
        rows = self._rows.chosen(self._rows.frames == self._count)
        table = self._folders["tables"] / table_name(self._count)
        write_atomic(table, hand_table(rows, self._own, (self._classes[1:] - 1).tolist()))
        self.written.append(table)
        self._count += 1
        pictures = {
            "instances": encode_png(palette(len(self._classes))[shown]),
            "classes": encode_png(palette(1 + len(self._kinds))[self._classes[shown]]),
            "instance_ids": _encode_16_bit(self._numbers[shown]),
            "opacities": self._encode_shares((shares.clamp(0, 1) * 255).round().byte().numpy()),
        }
        for kind, content in pictures.items():
            path = self._folders[kind] / f"{name}.{'npz' if kind == 'opacities' else 'png'}"
            write_atomic(path, content)
            self.written.append(path)

    def _encode_shares(self, shares: UInt8[np.ndarray, "height width nodes"]) -> bytes:
        buffer = io.BytesIO()
        names = ["background", *(f"track_{track}" for track in self._tracks)]
        np.savez_compressed(buffer, **{name: shares[..., index] for index, name in enumerate(names)})  # type: ignore[arg-type]
        return buffer.getvalue()


def _encode_16_bit(numbers: Int64[np.ndarray, "height width"]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(numbers.astype(np.uint16)).save(buffer, format="PNG")
    return buffer.getvalue()
