"""Durations and amounts of memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsg_cluster.core.errors import ConfigError
from nsg_cluster.core.units import format_bytes, format_duration, parse_duration, parse_memory


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1:30:00", 5400),
        ("0:00:01", 1),
        ("100:00:00", 360_000),
        ("1-02:00:00", 93_600),
        (" 2h ", 7200),
        (90, 90),
    ],
)
def test_a_duration_is_read_in_the_forms_that_people_and_schedulers_write(text: str | int, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "h", "1.5h", "2 h", "-2h", "30m1h", "1:30", "1:60:00", "0s", "0:00:00", "²h", -5, 0]
)
def test_what_is_no_duration_is_refused_with_the_allowed_forms(text: str | int) -> None:
    with pytest.raises(ConfigError, match="write a duration such as 45s, 90m, 2h"):
        parse_duration(text)


def test_a_bare_number_is_refused_because_schedulers_disagree_about_its_unit() -> None:
    with pytest.raises(ConfigError, match="'90' has no unit: write 90s, 90m or 90h"):
        parse_duration("90")


@given(st.integers(min_value=1, max_value=10**9))
def test_a_printed_duration_reads_back_equal(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_durations_are_printed_without_parts_that_are_zero() -> None:
    assert [format_duration(s) for s in (0, 0.4, 59.6, 3600, 5400, 90_061)] == [
        "0s",
        "0s",
        "1m",
        "1h",
        "1h30m",
        "1d1h1m1s",
    ]


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("512", 0),
        ("512B", 512),
        ("1K", 1024),
        ("16G", 16 << 30),
        ("16GiB", 16 << 30),
        ("16gb", 16 * 10**9),
        ("1.5M", 3 << 19),
    ],
)
def test_memory_counts_by_1024_except_where_a_disk_label_is_written(text: str, num_bytes: int) -> None:
    if num_bytes:
        assert parse_memory(text) == num_bytes
    else:
        with pytest.raises(ConfigError, match="write an amount of memory such as"):
            parse_memory(text)


@given(st.integers(min_value=0, max_value=40))
def test_a_power_of_two_of_bytes_reads_back_from_what_is_printed(exponent: int) -> None:
    assert parse_memory(format_bytes(1 << exponent)) == 1 << exponent
