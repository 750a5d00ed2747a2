"""The beat: whole intervals of the clock, at which proxies are looked at together.

Each wake-up costs much the same however many proxies it serves.
"""

from __future__ import annotations

HURRY = 0.92
"""A window may be this much shorter than its interval to end nearer to the beat."""

SHORTEST_WINDOW_S = 0.4
"""A look and a slot may be shorter than the interval, a window not shorter than this."""


def window_s(interval_s: float, steady: bool) -> float:
    """How long a window is: shorter while something is tried out, by a look or in slots."""
    if steady:
        return interval_s
    return max(interval_s / 2, min(interval_s, SHORTEST_WINDOW_S))


def next_beat_ns(now_ns: int, interval_ns: int) -> int:
    """When a window that begins now is over: at the last beat within the interval, or as
    much nearer to it as a window may hurry."""
    latest_ns = now_ns + interval_ns
    return max(latest_ns - latest_ns % interval_ns, now_ns + round(HURRY * interval_ns))
