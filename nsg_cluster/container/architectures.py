"""Which GPUs an image has code for.

Written as in a Dockerfile's argument and its label: ``70;80;90+PTX``, two digits or more for each compute capability,
and ``+PTX`` behind one whose intermediate code is there too. Code for a device runs on devices of the same major number
and the same or a higher minor one; intermediate code is compiled for any newer device when it is first run (CUDA C++
Programming Guide, 3.1.2 and 3.1.3).
"""

from __future__ import annotations

import re

__all__ = ["LABEL", "runs_on"]

LABEL = "nsg_cluster.architectures"
ENTRY = re.compile(r"(\d+)(\d)(\+PTX)?")


def runs_on(architectures: str, device: str) -> bool:
    """Return whether code for some architectures runs on a device, such as ``"9.0"``."""
    wanted = tuple(int(part) for part in device.split("."))
    for entry in re.split(r"[;,\s]+", architectures.strip()):
        match = ENTRY.fullmatch(entry)
        if not match:
            continue
        built = (int(match[1]), int(match[2]))
        if built <= wanted and (match[3] or built[0] == wanted[0]):
            return True
    return False
