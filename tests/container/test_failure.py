"""Why a container program failed: `nsg_cluster.container.failure`. The texts are those of Apptainer 1.4.5."""

from __future__ import annotations

import pytest

from nsg_cluster.container.failure import explain

FULL = """\
INFO:    Extracting local image...
ERROR:   unpackSIF failed: root filesystem extraction failed: write /t/archive-971670820: no space left on device
FATAL:   While performing build: packer failed to pack: write /t/archive-971670820: no space left on device
"""
NO_RANGE = """\
INFO:    Using --fakeroot
FATAL:   could not use fakeroot: no mapping entry found in /etc/subuid for me
"""
NO_NAMESPACE = "FATAL:   While starting engine: failed to create user namespace: no space left in max_user_namespaces\n"
NO_IMAGE = "FATAL:   While performing build: conveyor failed to get: image format not recognized\n"
CUT = """\
WARNING: Error changing the container working directory. Using '/' instead: chdir /root: no such file or directory
Read on filesystem failed because EOF
read_id_table: failed to read id index table
FATAL ERROR: File system corruption detected
: exit status 1
"""
NO_NETWORK = """\
INFO:    Fetching OCI image...
FATAL:   While performing build: conveyor failed to get: Get "https://a/v2/": dial tcp: lookup a: no such host
"""
STEP = """\
Dockerfile:26: RUN pip install …
ERROR: No matching distribution found for torch==2.13.0+cu126
Dockerfile:26: failed with exit status 1
FATAL:   While performing build: while running engine: while running %post section: exit status 1
"""


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            FULL,
            "the disk is full: make room in /scratch and in the image's folder, or name another folder with --scratch",
        ),
        (NO_RANGE, "this user has no range of fakeroot ids: ask the administrator for a line in /etc/subuid"),
        (NO_NAMESPACE, "this machine lets ordinary users make no namespaces"),
        (NO_IMAGE, "an image is damaged or is none: build it again"),
        (CUT, "an image is damaged or is none: build it again"),
        (NO_NETWORK, "a base image cannot be fetched: name one that is on disk with --base NAME=PATH"),
        (STEP, "Dockerfile:26: failed with exit status 1: ERROR: No matching distribution found for torch"),
        ("FATAL:   something new\nINFO: over\n", "something new"),
        ("", "it printed nothing"),
    ],
)
def test_a_failure_is_one_sentence_that_says_what_to_do(output: str, sentence: str) -> None:
    found = explain(output, scratch="/scratch")
    assert found.startswith(sentence) and "\n" not in found


def test_what_a_recipe_has_said_long_before_is_no_cause() -> None:
    said = "cp: permission denied, no space left on device\n" + "compiling\n" * 50
    assert explain(said + "FATAL:   While running %post: exit status 3\n") == "While running %post: exit status 3"
