"""What is made from a trained scene: pictures, videos, meshes, metrics."""
