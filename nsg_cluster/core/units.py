"""Durations and amounts of memory, as people write them and as they are shown.

Durations are whole seconds. ``K M G T`` and ``KiB MiB GiB TiB`` count by 1024, as schedulers and ``free`` do;
``KB MB GB TB`` count by 1000, as the labels of disks do.
"""

from __future__ import annotations

import re

from nsg_cluster.core.errors import ConfigError

__all__ = ["format_bytes", "format_duration", "parse_duration", "parse_memory"]

SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
DURATION_FORMS = "a duration such as 45s, 90m, 2h, 1h30m, 2d or 1:30:00"
MEMORY_FORMS = "an amount of memory such as 512M, 16G, 16GiB or 2TB"
MEMORY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:(B)|([KMGT])(iB|B)?)", re.IGNORECASE | re.ASCII)


def parse_duration(value: str | int) -> int:
    """Return the seconds of ``"1:30:00"``, ``"90m"``, ``"2h"``, ``"1h30m"``, ``"45s"`` or of a number of seconds.

    A text that is a bare number is refused: some schedulers would read minutes and others seconds.

    Raises:
        ConfigError: The value is not a duration longer than zero.
    """
    seconds = value if isinstance(value, int) else _clock(value) or _units(value)
    if seconds > 0:
        return seconds
    if isinstance(value, str) and re.fullmatch(r"\d+", value.strip(), re.ASCII):
        raise ConfigError(f"'{value}' has no unit: write {value}s, {value}m or {value}h")
    raise ConfigError(f"{value!r} is not a duration longer than zero: write {DURATION_FORMS}")


def _clock(text: str) -> int:
    """Read ``hours:minutes:seconds`` or ``days-hours:minutes:seconds``; 0 where the text is neither."""
    match = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,6}):([0-5]\d):([0-5]\d)", text.strip(), re.ASCII)
    if not match:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _units(text: str) -> int:
    """Read ``1d2h3m4s``, any of its parts left out; 0 where the text is not of that form."""
    match = re.fullmatch(r"(?:(\d{1,6})d)?(?:(\d{1,8})h)?(?:(\d{1,9})m)?(?:(\d{1,10})s)?", text.strip(), re.ASCII)
    if not match:
        return 0
    return sum(int(count or 0) * size for count, size in zip(match.groups(), SECONDS.values(), strict=True))


def format_duration(seconds: float) -> str:
    """Return a duration as ``1h30m``, ``45s`` or ``2d3h``, rounded to a second; `parse_duration` reads it back."""
    left = max(0, round(seconds))
    parts = []
    for unit, size in SECONDS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_memory(value: str | int) -> int:
    """Return the bytes of ``"512M"``, ``"16GiB"`` or ``"2TB"``, or of a number of bytes.

    Raises:
        ConfigError: The value is not an amount of memory greater than zero.
    """
    if isinstance(value, int):
        num_bytes = value
    elif match := MEMORY.fullmatch(value.strip()):
        number, _, prefix, suffix = match.groups()
        base = 1000 if suffix and suffix.lower() == "b" else 1024
        num_bytes = round(float(number) * base ** (" KMGT".index(prefix.upper()) if prefix else 0))
    else:
        num_bytes = 0
    if num_bytes <= 0:
        raise ConfigError(f"{value!r} is not an amount of memory greater than zero: write {MEMORY_FORMS}")
    return num_bytes


def format_bytes(num_bytes: float) -> str:
    """Return an amount of memory as ``1.5 GiB``."""
    size = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
