"""Blender, where there is one."""

from __future__ import annotations

import pytest

from nsg_cluster.objects.program import Blender
from tests.objects.shapes import blender_or_skip


@pytest.fixture(scope="session")
def blender() -> Blender:
    """Return the Blender of this machine; skip where there is none."""
    return blender_or_skip()
