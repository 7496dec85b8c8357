"""``python -m nsg_cluster``: the same as ``python launch.py``."""

import sys

from nsg_cluster.cli import main

if __name__ == "__main__":
    sys.exit(main())
