"""RUNs are lines of ``%post``, each with a shell of its own; what needs Docker's builder is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.converting import converted, refusal


def test_a_run_has_its_folder_its_shell_and_its_user(tmp_path: Path) -> None:
    text = 'FROM x\nSHELL ["/bin/bash", "-ec"]\nWORKDIR /w\nUSER u:g\nRUN a | b\nRUN ["c", "d e"]\n'
    lines = converted(tmp_path, text).text
    assert "( nsg_in /w && nsg_as u:g /bin/bash -ec 'a | b' ) </dev/null\n" in lines
    assert "( nsg_in /w && nsg_as u:g c 'd e' ) </dev/null\n" in lines


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            "--mount=type=secret,id=a",
            "RUN --mount=type=secret is refused: a secret has no way into a Singularity build",
        ),
        ("--mount=type=ssh", "RUN --mount=type=ssh is refused: keys have no way into a Singularity build"),
        ("--mount=type=nfs,target=/x", "RUN --mount=type=nfs is unknown; allowed: bind, cache, tmpfs, secret, ssh"),
        ("--mount=type=cache", "RUN --mount=type=cache has no target=PATH"),
        ("--security=insecure", "RUN --security=insecure cannot be built by an ordinary user"),
        ("--device=x", "RUN --device cannot be built: devices are not there for a build"),
    ],
)
def test_what_needs_the_builder_of_docker_is_refused_with_the_line(tmp_path: Path, flags: str, said: str) -> None:
    assert refusal(tmp_path, f"FROM x\nRUN a\nRUN {flags} b\n").startswith(f"Dockerfile:3: {said}")


def test_a_cache_and_an_open_network_are_in_the_report(tmp_path: Path) -> None:
    found = converted(tmp_path, "FROM x\nRUN --mount=type=cache,target=/c --network=none a\n")
    assert sorted((loss.kind, loss.line) for loss in found.losses) == [("changed", 2), ("lost", 2)]
