"""The loop that people write: load the model, and for each view move the camera and render. Runs inside Blender.

``python plain_bpy_loop.py MODEL VIEWS SIZE SAMPLES THREADS FOLDER``. But for these, the lights and the denoiser, which
is off, every setting is Blender's own.
"""

from __future__ import annotations

import math
import sys

import bpy
from mathutils import Vector


def main(model: str, folder: str, sizes: list[int]) -> None:
    """Render views on a turntable."""
    views, size, samples, threads = sizes
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.obj_import(filepath=model)
    scene = bpy.context.scene
    thing = bpy.context.selected_objects[0]
    thing.scale = (1.6 / max(thing.dimensions),) * 3
    for energy, place in ((1.8, (-0.6, -0.7, 1.0)), (0.6, (1.0, 0.3, 0.4))):
        light = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
        light.data.energy = energy
        light.rotation_euler = Vector(place).to_track_quat("Z", "Y").to_euler()
        scene.collection.objects.link(light)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.color = (0.35, 0.35, 0.35)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = samples, False
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    for view in range(views):
        angle = 2.0 * math.pi * view / views
        camera.location = (3.0 * math.cos(angle), 3.0 * math.sin(angle), 1.5)
        camera.rotation_euler = (-camera.location).to_track_quat("-Z", "Y").to_euler()
        scene.render.filepath = f"{folder}/r_{view:03d}.png"
        bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[6], list(map(int, sys.argv[2:6])))
