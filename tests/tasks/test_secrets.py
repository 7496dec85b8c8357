"""`nsg_cluster.tasks.secrets`: a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.tasks.secrets import in_container, read_secrets

TOKEN = "s3cr3t-t0ken"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_lines_are_variables_taken_literally(tmp_path: Path) -> None:
    text = f"# of mine\n\nWANDB_API_KEY={TOKEN}\nexport B='a b'\nC=$(touch x)=`y`\nD=\n"
    assert read_secrets(write(tmp_path / "secrets", text)) == {
        "WANDB_API_KEY": TOKEN,
        "B": "a b",
        "C": "$(touch x)=`y`",
        "D": "",
    }


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o777])
def test_a_file_that_others_may_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "secrets", f"A={TOKEN}", mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:04o}\); correct it with: chmod 600 {path}"):
        read_secrets(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "secrets", "A=1")
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_secrets(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"A=1\n{TOKEN}\n".encode(), "secrets:2: is not of the form NAME=value"),
        (f"1A={TOKEN}".encode(), "secrets:1: is not of the form"),
        (b"A=\0" + TOKEN.encode(), "secrets:1: is not of the form"),
        (b"A=\xff" + TOKEN.encode(), "is not a text"),
    ],
)
def test_a_mistake_is_told_by_its_line_and_never_by_its_content(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=message) as caught:
        read_secrets(path)
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_what_is_missing_or_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_secrets(tmp_path / "absent")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_secrets(tmp_path)


def test_a_container_is_told_through_the_environment() -> None:
    assert in_container({"A": "1"}) == {"APPTAINERENV_A": "1", "SINGULARITYENV_A": "1"}
