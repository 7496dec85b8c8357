"""3D models to data sets: find them, look at their files, start Blender on them and follow it.

This is of the control plane: it starts a program. What runs inside Blender is `nsg_cluster.blender`, and what reads
the finished data set is `nsg_cluster.data.photographs.objects`.
"""
