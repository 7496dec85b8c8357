"""One line format, and nothing in it that a log file should not hold."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from nsg_cluster.core.logs import set_up


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger("nsg_cluster")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[IO[str]]:
    """Yield a log file, open for reading as well."""
    with (tmp_path / "log").open("w+") as file:
        yield file


def written(stream: IO[str]) -> str:
    stream.seek(0)
    return stream.read()


def test_a_line_is_time_in_utc_then_name_then_message(stream: IO[str]) -> None:
    set_up(stream=stream)
    logger = logging.getLogger("nsg_cluster.training.loop")
    record = logger.makeRecord(logger.name, logging.INFO, "f", 1, "step %d", (7,), None)
    record.created = 1_795_245_012.5
    logger.handle(record)
    assert written(stream) == "2026-11-21 07:10:12 training.loop  step 7\n"


def test_control_characters_cannot_forge_lines_in_a_file(stream: IO[str]) -> None:
    set_up(stream=stream)
    logging.getLogger("nsg_cluster.data").warning("name %s", "a\nb\x1b[31m\r\u2028c")
    assert written(stream).endswith("data  warning: name a\\nb\\x1b[31m\\r\\u2028c\n")
    assert written(stream).count("\n") == 1


def test_a_traceback_keeps_its_lines(stream: IO[str]) -> None:
    set_up(stream=stream)
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("nsg_cluster.data").exception("broken")
    assert re.search(r"error: broken\nTraceback .*\n(.*\n)+ValueError: \\x1b\[2J\n$", written(stream))


def test_a_second_set_up_replaces_the_first_and_the_level_counts(
    stream: IO[str], capsys: pytest.CaptureFixture[str]
) -> None:
    set_up()
    set_up(stream=stream, level=logging.WARNING)
    logging.getLogger("nsg_cluster").info("hidden")
    logging.getLogger("nsg_cluster").error("once")
    assert capsys.readouterr().err == ""
    assert written(stream).endswith("nsg_cluster  error: once\n")
    assert "hidden" not in written(stream)
