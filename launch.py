"""The everyday command: ``python launch.py FILE.yaml``; see ``python launch.py --help``."""

import sys

from nsg_cluster.cli import main

if __name__ == "__main__":
    sys.exit(main())
