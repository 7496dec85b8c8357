"""Train, render and launch radiance fields, from one YAML file, on a laptop or a cluster."""

__version__ = "0.1.0"
