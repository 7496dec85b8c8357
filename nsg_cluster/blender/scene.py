"""Lights, camera and the settings of Cycles, the same for every view of a model.

Cycles is the engine: it needs no display and no OpenGL, its pixels are the average over their area, and its light is
the same from every side, which a radiance field relies on.
"""

from __future__ import annotations

from typing import Any

import bpy
from mathutils import Vector

from nsg_cluster.blender.events import BrokenModelError

__all__ = ["set_up"]

# Strength of the sky, then of suns by the direction they shine from.
LIGHTS: dict[str, tuple[float, tuple[tuple[float, tuple[float, float, float]], ...]]] = {
    "studio": (0.35, ((1.8, (-0.6, -0.7, 1.0)), (0.6, (1.0, 0.3, 0.4)))),
    "sun": (0.1, ((2.8, (-0.6, -0.7, 1.0)),)),
    "ambient": (1.0, ()),
}
SUN_ANGLE_RAD = 0.2
SENSOR_MM = 36.0
GPU_KINDS = ("OPTIX", "CUDA", "HIP", "METAL", "ONEAPI")


def set_up(job: dict[str, Any]) -> str:
    """Prepare the scene for the views of a job; return the device that renders.

    Raises:
        BrokenModelError: A GPU is asked for and there is none.
    """
    scene = bpy.context.scene
    _light(scene, job["lights"])
    _camera(scene, job)
    _image(scene, job)
    return _cycles(scene, job)


def _light(scene: Any, name: str) -> None:
    strength, suns = LIGHTS[name]
    world = bpy.data.worlds.new("sky")
    scene.world = world
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    sky = tree.nodes.new("ShaderNodeBackground")
    sky.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    sky.inputs["Strength"].default_value = strength
    tree.links.new(sky.outputs["Background"], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    for energy, origin in suns:
        light = bpy.data.lights.new("sun", "SUN")
        light.energy, light.angle = energy, SUN_ANGLE_RAD
        sun = bpy.data.objects.new("sun", light)
        sun.rotation_euler = Vector(origin).to_track_quat("Z", "Y").to_euler()
        scene.collection.objects.link(sun)


def _camera(scene: Any, job: dict[str, Any]) -> None:
    """Add the camera: focal length over the sensor's width is focal length in pixels over the image's width."""
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit = "HORIZONTAL"
    lens.sensor_width = SENSOR_MM
    lens.lens = SENSOR_MM * job["focal"]
    lens.clip_start, lens.clip_end = 1e-3 * job["radius"], 1e3 * job["radius"]
    scene.camera = bpy.data.objects.new("camera", lens)
    scene.collection.objects.link(scene.camera)


def _image(scene: Any, job: dict[str, Any]) -> None:
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x = render.resolution_y = job["image_size"]
    render.resolution_percentage = 100
    render.film_transparent = True
    render.dither_intensity = 0.0
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    render.image_settings.color_depth = "8"
    # Colors stay what the textures say; the standard look of Blender bends them.
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"


def _cycles(scene: Any, job: dict[str, Any]) -> str:
    cycles = scene.cycles
    cycles.samples = job["samples"]
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.pixel_filter_type = "BOX"
    cycles.max_bounces = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.seed = 0
    # The scene is built once: later views move the camera alone.
    scene.render.use_persistent_data = True
    scene.render.threads_mode = "FIXED"
    scene.render.threads = job["threads"]
    device = _gpu() if job["device"] != "cpu" else None
    if device is None and job["device"] == "gpu":
        raise BrokenModelError("a GPU is asked for and Blender finds none: use device cpu, or auto")
    cycles.device = "GPU" if device else "CPU"
    return device or "cpu"


def _gpu() -> str | None:
    """Switch on the GPUs of the first kind that has any; return its name."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for kind in GPU_KINDS:
        try:
            preferences.compute_device_type = kind
        except TypeError:
            continue  # this Blender was built without it
        preferences.get_devices()
        found = [device for device in preferences.devices if device.type == kind]
        if found:
            for device in preferences.devices:
                device.use = device.type == kind
            return kind.lower()
    return None
