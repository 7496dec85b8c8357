"""Which GPUs an image has code for: `nsg_cluster.container.architectures`."""

from __future__ import annotations

import pytest

from nsg_cluster.container.architectures import runs_on

DEFAULT = "70;80;90+PTX"


@pytest.mark.parametrize("device", ["7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0"])
def test_the_image_of_the_dockerfile_runs_on_every_gpu_since_the_v100(device: str) -> None:
    assert runs_on(DEFAULT, device)


@pytest.mark.parametrize(
    ("built", "device", "runs"),
    [
        ("80", "9.0", False),  # another major number, no intermediate code
        ("80+PTX", "9.0", True),
        ("90", "8.0", False),
        ("90+PTX", "8.0", False),  # intermediate code is for newer devices alone
        ("86", "8.0", False),
        ("80", "8.6", True),
        ("70", "7.5", True),
        ("90 100", "10.0", True),
        ("none", "9.0", False),
        ("", "9.0", False),
    ],
)
def test_code_runs_within_its_major_number_and_intermediate_code_on_anything_newer(
    built: str, device: str, runs: bool
) -> None:
    assert runs_on(built, device) == runs
