"""Quantities with units as people write and read them: durations, percentages, factors, sizes.

Parsers take text and raise ValueError that says what is allowed; formatters are their
inverse up to the digits shown.
"""

from __future__ import annotations

import math
import re

_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

DURATION = rf"^{_NUMBER}(us|ms|s|m|h)$"
PERCENT = rf"^{_NUMBER}%$"
FACTOR = rf"^{_NUMBER}x$"
SIZE = rf"^{_NUMBER}(B|KiB|MiB|GiB|TiB)$"


def parse_duration_s(text: object) -> float:
    """Seconds of "250us", "250ms", "10s", "2m" or "1h". Raises: ValueError."""
    number, unit = _match(DURATION, text, "a duration with its unit: 250ms, 10s, 2m or 1h")
    return float(number) * _SECONDS[unit]


def parse_percent(text: object) -> float:
    """Fraction that "5%" stands for: 0.05. Raises: ValueError."""
    (number,) = _match(PERCENT, text, "a percentage with its sign: 5% or 0.5%")
    return float(number) / 100


def parse_factor(text: object) -> float:
    """Number of times that "8x" stands for: 8.0. Raises: ValueError."""
    (number,) = _match(FACTOR, text, "a factor: 8x or 1.5x")
    return float(number)


def parse_size_bytes(text: object) -> int:
    """Bytes of "512B", "4KiB", "20MiB" (powers of 1024). Raises: ValueError."""
    allowed = "a size in whole bytes with its unit: 512B, 4KiB, 20MiB or 1GiB"
    number, unit = _match(SIZE, text, allowed)
    size = float(number) * _BYTES[unit]
    if not size.is_integer():
        raise ValueError(f"{text!r} is not {allowed}")
    return int(size)


def format_duration(seconds: float) -> str:
    """Shortest of the units in which the duration is at least 1, to 4 digits: "250ms"."""
    for unit in ("h", "m", "s", "ms"):
        scale = _SECONDS[unit]
        if seconds >= scale and (unit in ("s", "ms") or _is_whole(seconds / scale)):
            return f"{_digits(seconds / scale)}{unit}"
    return f"{_digits(seconds * 1e6)}us" if seconds > 0 else "0s"


def format_percent(fraction: float) -> str:
    """A share as a policy writes it: 0.05 is "5%"."""
    return f"{_digits(fraction * 100)}%"


def format_factor(times: float) -> str:
    """A number of times as a policy writes it: 8.0 is "8x"."""
    return f"{_digits(times)}x"


def format_gain(fraction: float) -> str:
    """A gain for people, with its sign: 0.123 is "+12.3 %", 3.5 is "4.5x"; NaN is "-"."""
    if math.isnan(fraction):
        return "-"
    return f"{1 + fraction:.1f}x" if fraction >= 1 else f"{fraction * 100:+.1f} %"


def format_size(size_bytes: int) -> str:
    """Bytes in the largest unit that leaves at least 1: 20971520 is "20MiB"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes >= _BYTES[unit]:
            return f"{_digits(size_bytes / _BYTES[unit])}{unit}"
    return f"{size_bytes}B"


def _match(pattern: str, text: object, allowed: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not {allowed}")
    return found.groups()


def _is_whole(number: float) -> bool:
    return math.isclose(number, round(number), rel_tol=1e-9)


def _digits(number: float) -> str:
    """Four significant digits, never in exponent form, no trailing zeros."""
    places = max(0, 3 - math.floor(math.log10(abs(number)))) if number else 0
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
