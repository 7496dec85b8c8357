"""What runs inside Blender: a model is imported once, then rendered from every camera of a job document.

Blender brings a Python and packages of its own, so nothing here imports anything of ours, torch or pydantic: only the
standard library, NumPy and Blender's modules. The job document comes in as a file, events go out as JSON lines.
"""
