"""A model's file to objects in an empty scene, turned upright, moved to the origin and scaled.

World axes are x right, y back, z up. ``object_to_world`` maps a point of the file to the world of the rendered
views: it holds the turn of the axes, the move and the scale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Matrix

from nsg_cluster.blender.events import BrokenModelError, Say

__all__ = ["Model", "import_model"]

Floats = npt.NDArray[np.float64]
# (x, y, z) with y up becomes (x, -z, y) with z up.
Y_TO_Z = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
AS_WRITTEN = {"forward_axis": "Y", "up_axis": "Z"}
# Of all faces, in squares of the model's radius: what rounding to single precision leaves of none.
SMALLEST_AREA = 1e-6
PLAIN_COLOR = (0.8, 0.8, 0.8, 1.0)


@dataclass(frozen=True)
class Model:
    """A model in place."""

    object_to_world: Floats
    vertices: Floats
    """Of all triangles, in world coordinates, one row each."""
    triangles: npt.NDArray[np.int64]
    """Three indices of vertices a row."""
    lower: Floats
    upper: Floats
    radius: float
    """Largest distance of a vertex from the middle of the box."""


def import_model(job: dict[str, Any], say: Say) -> Model:
    """Read the file of a job into an empty scene and put it in place.

    Raises:
        BrokenModelError: Blender cannot read it, or it has no surface.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    try:
        _read(job["model"], job["format"])
    except RuntimeError as error:
        raise BrokenModelError(f"Blender cannot read it: {_sentence(str(error), job['model'])}") from None
    _mend_materials(say)
    vertices, triangles = _triangles()
    if not len(triangles):
        raise BrokenModelError("it has no faces")
    turn = Y_TO_Z if job["up"] == "y" else np.eye(4)
    # The importer of glTF has turned it already.
    placed = turn @ np.linalg.inv(Y_TO_Z) if job["format"] in {"glb", "gltf"} else turn
    normal = _normalization(_moved(vertices, placed), scaled=job["normalize"] == "sphere")
    _place(normal @ placed)
    vertices = _moved(vertices, normal @ placed)
    lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    radius = float(np.linalg.norm(vertices - (lower + upper) / 2.0, axis=1).max())
    if _area(vertices, triangles) <= SMALLEST_AREA * radius**2:
        raise BrokenModelError("its faces have no area: the corners of each lie on a line")
    return Model(normal @ turn, vertices, triangles, lower, upper, radius)


def _sentence(said: str, path: str) -> str:
    """Return what an operator of Blender says, of a traceback its last line, without the name that we chose."""
    failures = [line for line in said.splitlines() if re.match(r"\w*(Error|Exception)\b", line)]
    text = failures[-1] if "Traceback" in said and failures else said
    return " ".join(text.split()).removeprefix("Error: ").replace(path, "this file")


def _read(path: str, kind: str) -> None:
    if kind == "obj":
        bpy.ops.wm.obj_import(filepath=path, **AS_WRITTEN)
    elif kind == "ply":
        bpy.ops.wm.ply_import(filepath=path, **AS_WRITTEN)
    elif kind == "stl":
        bpy.ops.wm.stl_import(filepath=path, **AS_WRITTEN)
    else:
        bpy.ops.import_scene.gltf(filepath=path)


def _triangles() -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the triangles of all surfaces of the scene, as they would be rendered."""
    # Imported cameras and lights are not part of the model.
    for thing in bpy.context.scene.objects:
        if thing.type in {"LIGHT", "CAMERA"}:
            thing.hide_render = thing.hide_viewport = True
    parts = list(_parts())
    if not parts:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    firsts = np.cumsum([0, *(len(vertices) for vertices, _ in parts[:-1])])
    joined = np.concatenate([indices + first for (_, indices), first in zip(parts, firsts, strict=True)])
    used, compact = np.unique(joined, return_inverse=True)
    return np.concatenate([vertices for vertices, _ in parts])[used], compact.reshape(-1, 3)


def _parts() -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    for instance in bpy.context.evaluated_depsgraph_get().object_instances:
        if instance.object.type != "MESH":
            continue
        mesh = instance.object.to_mesh()
        mesh.calc_loop_triangles()
        vertices = np.empty(3 * len(mesh.vertices), dtype=np.float32)
        mesh.vertices.foreach_get("co", vertices)
        indices = np.empty(3 * len(mesh.loop_triangles), dtype=np.int32)
        mesh.loop_triangles.foreach_get("vertices", indices)
        world = np.array(instance.matrix_world, dtype=np.float64)
        yield _moved(vertices.reshape(-1, 3).astype(np.float64), world), indices.reshape(-1, 3).astype(np.int64)


def _moved(points: Floats, matrix: Floats) -> Floats:
    moved: Floats = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def _normalization(vertices: Floats, *, scaled: bool) -> Floats:
    """Return the move and scale that make the ball around the model's box that of radius 1 around the origin."""
    if not np.isfinite(vertices).all():
        raise BrokenModelError("it has vertices that are not finite")
    if not scaled:
        return np.eye(4)
    center = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
    radius = float(np.linalg.norm(vertices - center, axis=1).max())
    if radius == 0.0:
        raise BrokenModelError("all its vertices are at one point")
    matrix = np.diag([1.0 / radius, 1.0 / radius, 1.0 / radius, 1.0])
    matrix[:3, 3] = -center / radius
    return matrix


def _area(vertices: Floats, triangles: npt.NDArray[np.int64]) -> float:
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2.0)


def _place(matrix: Floats) -> None:
    """Move everything without a parent by giving it one, which keeps armatures and instances as they are."""
    root = bpy.data.objects.new("root", None)
    tops = [thing for thing in bpy.context.scene.objects if thing.parent is None]
    bpy.context.scene.collection.objects.link(root)
    root.matrix_world = Matrix(matrix.tolist())
    for thing in tops:
        thing.parent = root


def _mend_materials(say: Say) -> None:
    """Give surfaces without a material one, and take textures away that cannot be read: they would be shown magenta."""
    for image in bpy.data.images:
        # A .gif is a film to Blender.
        if image.source in {"FILE", "SEQUENCE", "TILED", "MOVIE"} and not image.size[0]:
            say("texture", name=image.name)
            _take_away(image)
    plain: dict[str | None, Any] = {}
    for thing in bpy.context.scene.objects:
        if thing.type != "MESH" or any(slot.material for slot in thing.material_slots):
            continue
        colors = thing.data.color_attributes
        name = colors[0].name if len(colors) else None
        if name not in plain:
            plain[name] = _plain_material(name)
        thing.data.materials.clear()
        thing.data.materials.append(plain[name])


def _take_away(image: Any) -> None:
    for material in bpy.data.materials:
        if not material.node_tree:
            continue
        for node in [node for node in material.node_tree.nodes if getattr(node, "image", None) == image]:
            for link in node.outputs["Color"].links:
                # Exporters write black beside a texture, which would hide the surface.
                if link.to_socket.name == "Base Color" and not any(link.to_socket.default_value[:3]):
                    link.to_socket.default_value = PLAIN_COLOR
            material.node_tree.nodes.remove(node)


def _plain_material(colors: str | None) -> Any:
    """Return a dull material: gray, or of the colors of vertices."""
    material = bpy.data.materials.new("plain")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeBsdfDiffuse")
    shader.inputs["Color"].default_value = PLAIN_COLOR
    tree.links.new(shader.outputs["BSDF"], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    if colors:
        attribute = tree.nodes.new("ShaderNodeVertexColor")
        attribute.layer_name = colors
        tree.links.new(attribute.outputs["Color"], shader.inputs["Color"])
    return material
