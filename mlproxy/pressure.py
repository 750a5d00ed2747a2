"""Pressure stall information over a window (Documentation/accounting/psi.rst)."""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.snapshot import Window


@dataclass(frozen=True)
class Pressure:
    """Share of the window in which some task stalled, 0 to 1; None where PSI is off."""

    memory: float | None
    io: float | None


def pressure_of(window: Window) -> Pressure:
    """Memory and I/O pressure, "some", of one window."""
    return Pressure(_share(window, "memory"), _share(window, "io"))


def _share(window: Window, kind: str) -> float | None:
    stalled_us_s = window.rate(f"psi.{kind}.some_us")
    return None if stalled_us_s is None else min(stalled_us_s / 1e6, 1.0)
