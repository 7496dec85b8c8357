"""Sources of COPY are found in the context, and ``.dockerignore`` leaves out what it says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nsg_cluster.container.context import Context, SourceError, pattern_regex, read_context
from nsg_cluster.core.errors import ContainerError

TREE = ("a.txt", "b.md", "src/a.py", "src/a.pyc", "src/deep/er/c.md", "docs/x.md", "docs/y.txt", "data/big.bin")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in TREE:
        (tmp_path / "context" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "context" / name).write_text(name)
    (tmp_path / "outside").write_text("")
    (tmp_path / "context/link").symlink_to("../outside")
    return tmp_path / "context"


def ignoring(root: Path, text: str) -> Context:
    (root / "Dockerfile.dockerignore").write_text(text)
    return read_context(root, root / "Dockerfile")


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.md", ["b.md"], ["docs/x.md"]),
        ("**/*.md", ["b.md", "docs/x.md", "src/deep/er/c.md"], ["a.txt"]),
        ("docs/**", ["docs/x.md", "docs/a/b"], ["docs", "docsx"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["ab"]),
        ("?.txt", ["a.txt"], ["/.txt", "ab.txt"]),
        ("[ab].txt", ["a.txt"], ["c.txt"]),
        ("[^ab].txt", ["c.txt"], ["a.txt"]),
        (r"\*.md", ["*.md"], ["b.md"]),
    ],
)
def test_patterns_match_as_docker_says(pattern: str, matches: list[str], others: list[str]) -> None:
    regex = pattern_regex(pattern)
    assert all(regex.fullmatch(path) for path in matches)
    assert not any(regex.fullmatch(path) for path in others)


@pytest.mark.parametrize(
    "text",
    [
        "data\n**/*.pyc\n",
        "*\n!src\nsrc/deep\n",
        "**/*.md\n!docs/*.md\n",
        "src/**/*.md\n/docs/y.*\n",
        "**\n!src/deep/er/c.md\n",
    ],
)
def test_tar_packs_exactly_what_is_not_left_out(root: Path, text: str, tmp_path: Path) -> None:
    context = ignoring(root, text + "link\nDockerfile.dockerignore\n")
    packed = tmp_path / "packed"
    packed.mkdir()
    options = context.tar_options(context.find(".")[0])
    archive = subprocess.run(["tar", "-c", *options], cwd=root, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", packed], input=archive, check=True)
    found = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert found == {name for name in TREE if not context.leaves_out(name)}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("../outside", "../outside is outside the context"),
        ("/../../etc/passwd", "is outside the context"),
        ("link", "link is a link to"),
        ("none.txt", "none.txt is missing in the context"),
        ("*.none", "nothing matches *.none in the context"),
        ("data/big.bin", "data/big.bin is left out by"),
    ],
)
def test_sources_that_cannot_be_copied_are_refused(root: Path, source: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        ignoring(root, "data\n").find(source)
    assert said in str(caught.value)


def test_options_for_tar_depend_on_patterns_and_not_on_what_lies_in_the_folder(root: Path) -> None:
    context = ignoring(root, "**/__pycache__\n")
    before = context.tar_options(context.find("src")[0])
    (root / "src/__pycache__").mkdir()
    assert context.tar_options(context.find("src")[0]) == before


def test_a_context_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match="the context is not a folder"):
        read_context(tmp_path / "none", tmp_path / "Dockerfile")
