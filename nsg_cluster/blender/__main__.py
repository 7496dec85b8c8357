"""Run inside Blender: ``python __main__.py JOB.json`` or ``blender --background --python __main__.py -- JOB.json``."""

from __future__ import annotations

import sys
from pathlib import Path

# Blender's Python knows nothing of our package; only this one, which imports nothing else of ours, is made known.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from nsg_cluster.blender.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[-1]))
