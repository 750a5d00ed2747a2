"""The beat: whole intervals of the clock, at which proxies are looked at together.

Each wake-up costs much the same however many proxies it serves.
"""

from __future__ import annotations

HURRY = 0.92
"""A window may be this much shorter than its interval to end nearer to the beat."""


def next_beat_ns(now_ns: int, interval_ns: int) -> int:
    """When a window that begins now is over: at the last beat within the interval, or as
    much nearer to it as a window may hurry."""
    latest_ns = now_ns + interval_ns
    return max(latest_ns - latest_ns % interval_ns, now_ns + round(HURRY * interval_ns))
