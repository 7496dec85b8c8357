"""Print what a package needs, one requirement a line: ``python requirements.py pyproject.toml [EXTRA ...]``.

Lets an image install third-party packages before the package's own files are there, in a layer that lasts.
"""

import sys
from pathlib import Path

import tomllib

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
extras = (project["optional-dependencies"][extra] for extra in sys.argv[2:])
sys.stdout.write("\n".join([*project["dependencies"], *(line for extra in extras for line in extra)]) + "\n")
