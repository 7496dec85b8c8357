"""What is wrong with a COPY or an ADD is said in a sentence; what they copy is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.converting import converted, refusal


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("COPY a.txt", "COPY needs sources and a destination: COPY SOURCE… TARGET"),
        ("COPY none.txt /x", "COPY: none.txt is missing in the context"),
        ("COPY ../a.txt /x", "COPY: ../a.txt is outside the context"),
        ("COPY *.none /x", "COPY: nothing matches *.none in the context"),
        ("COPY a.txt b.txt /x", "COPY of several sources needs a folder: write /x/"),
        ("COPY $PATH /x", "COPY: $PATH depends on a variable that only the base image knows"),
        ("ADD git@example.org:a/b /x", "ADD git@example.org:a/b: a repository is not fetched; clone it in a RUN"),
    ],
)
def test_mistakes_are_said_in_a_sentence_with_the_line(tmp_path: Path, line: str, said: str) -> None:
    assert refusal(tmp_path, f"FROM x\n{line}\n").startswith(f"Dockerfile:2: {said}")


def test_a_source_that_dockerignore_leaves_out_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.txt\n")
    assert "COPY: a.txt is left out by .dockerignore; remove the pattern or add !a.txt" in refusal(
        tmp_path, "FROM x\nCOPY a.txt /x\n"
    )


def test_what_is_copied_is_known_for_telling_whether_an_image_is_stale(tmp_path: Path) -> None:
    assert converted(tmp_path, "FROM x\nCOPY *.txt /t/\nCOPY src /src\n").sources == ("a.txt", "b.txt", "src")


def test_addresses_are_fetched_by_the_host_and_checked(tmp_path: Path) -> None:
    text = converted(tmp_path, f"FROM x\nADD --checksum=sha256:{'0' * 64} https://example.org/d/x.bin?a=1 /x/\n").text
    assert f"nsg_fetch 1 x.bin 'https://example.org/d/x.bin?a=1' {'0' * 64}" in text
