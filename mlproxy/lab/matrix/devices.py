"""Modelled devices drawn from a seed."""

from __future__ import annotations

from mlproxy.lab.matrix.draw import Draw
from mlproxy.lab.profile import Profile

LATENCY_US = (400.0, 8000.0)
"""Above what a small host's scheduling hides (docs/lab.md)."""

BANDWIDTH_MB_S = (20.0, 200.0)
CHANNELS = (1, 2, 4, 8, 16, 32)
SEEK_MS = (4.0, 12.0)
SEEKING = 0.2
"""Share of devices that seek, which have one head."""


def draw_devices(count: int, seed: int) -> list[Profile]:
    """`count` devices; a name tells the parameters, so that rows of others cannot be mixed in."""
    return [_device(Draw(seed, f"device/{number}")) for number in range(count)]


def _device(draw: Draw) -> Profile:
    bandwidth = draw.log_between("bandwidth", *BANDWIDTH_MB_S)
    if draw.share("seeks") < SEEKING:
        seek = round(draw.between("seek", *SEEK_MS), 1)
        return Profile(f"disk-{seek:g}ms-{bandwidth:g}mb", 100.0, bandwidth, 1, seek)
    latency = draw.log_between("latency", *LATENCY_US)
    channels = draw.one_of("channels", CHANNELS)
    return Profile(f"ssd-{latency:g}us-{bandwidth:g}mb-{channels}ch", latency, bandwidth, channels)
