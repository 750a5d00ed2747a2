"""Patience: what rules without slots waits until the demand for it has lasted, and goes when
that demand is gone. Pure but for the windows and the demands that it remembers.

A demand that lasts for a while and ends by itself was a burst: the next one has to last twice
as long, so that bursts of one kind are mistaken once at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from mlproxy.knob import Setting
from mlproxy.snapshot import Window

DEPTH = 64
"""Windows remembered."""

TIMES = 2.0
"""A demand must last so many times longer than the longest one that ended by itself ..."""

MEMORY_S = 600.0
"""... in this time ..."""

MOST = 6.0
"""... but never longer than so many times the adapter's own wait: what lasts longer than that
is no burst, and teaches nothing about them."""


class Demanding(Protocol):
    """The part of an adapter that is asked here."""

    @property
    def wait_s(self) -> float: ...
    def demand_s(self, windows: Sequence[Window]) -> float: ...
    def left(self, windows: Sequence[Window], setting: Setting) -> str: ...


class Patience:
    """Of one proxy."""

    def __init__(self, adapter: Demanding) -> None:
        self._adapter = adapter
        self._windows: deque[Window] = deque(maxlen=DEPTH)
        self._ruled = False
        self._lasted_s = 0.0
        self._began_s: float | None = None
        self._gone_s: float | None = None
        self._now_s = 0.0
        self._bursts: deque[tuple[float, float]] = deque(maxlen=DEPTH)

    @property
    def wait_s(self) -> float:
        """How long a demand has to last now."""
        own_s = self._adapter.wait_s
        recent = (s for ended_s, s in self._bursts if self._now_s - ended_s <= MEMORY_S)
        longest_s = max((s for s in recent if s < MOST * own_s), default=0.0)
        return min(max(own_s, TIMES * longest_s), MOST * own_s)

    def take(self, window: Window, ruled: bool) -> None:
        """Take a window in; `ruled`: a value rules instead of the baseline."""
        if ruled != self._ruled:
            self._windows.clear()
            self._ruled = ruled
        self._windows.append(window)
        self._now_s = window.after.taken_ns / 1e9
        if ruled:
            return
        self._lasted_s = self._adapter.demand_s(tuple(self._windows))
        self._remember(window)

    def early(self) -> str:
        """Why nothing may rule yet; "" when it may."""
        asked_s = self.wait_s
        if self._lasted_s >= asked_s:
            return ""
        return (
            f"the demand has lasted {self._lasted_s:.0f} s; {asked_s:.0f} s are asked for "
            "where no slots test a value"
        )

    def _remember(self, window: Window) -> None:
        """A demand that pauses for less than the adapter's own wait goes on."""
        if self._lasted_s:
            began_s = self._now_s - self._lasted_s
            self._began_s = began_s if self._began_s is None else min(self._began_s, began_s)
            self._gone_s = None
            return
        if self._began_s is None:
            return
        if self._gone_s is None:
            self._gone_s = window.before.taken_ns / 1e9
        if self._now_s - self._gone_s >= self._adapter.wait_s:
            self._bursts.append((self._now_s, self._gone_s - self._began_s))
            self._began_s = self._gone_s = None

    def left(self, setting: Setting) -> str:
        """Why what rules is of no use any more; "" while it is."""
        return self._adapter.left(tuple(self._windows), setting) if self._ruled else ""
