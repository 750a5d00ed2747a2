"""A watch over one proxy: samples become windows, windows become evidence.

A window never spans a change of the setting, nor the time that a change needs to settle;
evidence of the two arms of a trial is kept apart. Views of the phase outlive both.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.adapter import Missing
from mlproxy.domain import Domain
from mlproxy.evidence import Evidence
from mlproxy.features import FeatureSchema
from mlproxy.knob import Setting
from mlproxy.pressure import Pressure, pressure_of
from mlproxy.seat import Seat
from mlproxy.slots import Arm
from mlproxy.snapshot import Sample, Window
from mlproxy.view import View, Views

NS = 1_000_000_000

NEARLY = 0.9
"""A window may be this much shorter than asked for: wake-ups are not exact."""


@dataclass(frozen=True)
class Sight:
    """What one window showed: features, or why it says nothing."""

    features: FeatureSchema | None
    nothing: str
    shifted: bool = False


class Watch:
    """Windows and evidence of one seat."""

    def __init__(self, seat: Seat, now_ns: int) -> None:
        self.seat = seat
        self.settled_ns = now_ns
        self.seen_ns = now_ns
        self.phase_ns = now_ns
        self._evidence: dict[Arm, Evidence] = {"treated": Evidence(), "baseline": Evidence()}
        self.window: Window | None = None
        self._start: Sample | None = None
        self._latest = self._evidence["baseline"]
        self._unasked = 0
        self.memory = Views()

    @property
    def pressure(self) -> Pressure:
        """Memory and I/O pressure of the last window."""
        return pressure_of(self.window) if self.window else Pressure(None, None)

    def settle(self, until_ns: int) -> None:
        """The setting was changed: what is seen before `until_ns` is of neither value."""
        self.settled_ns, self._start = max(self.settled_ns, until_ns), None

    def forget(self) -> None:
        """Drop all evidence, as when the setting changes; the phase goes on."""
        for evidence in self._evidence.values():
            evidence.clear()
        self._unasked = 0

    def take(
        self, sample: Sample, setting: Setting, arm: Arm, window_s: float, now_ns: int
    ) -> Sight | None:
        """Take a sample in; what the window showed that it completes, if it completes one."""
        if self._start is None:
            self._start = sample
        window = Window(self._start, sample)
        if window.elapsed_s < NEARLY * window_s:
            return None
        self._start, self.window = sample, window
        sight = see(self.seat, window, setting)
        if sight.features is None:
            self.forget()
            self.memory.clear()
            return sight
        return self._learn(sight.features, setting, arm, now_ns)

    def evidence(self, arm: Arm) -> Evidence:
        """The evidence of one arm."""
        return self._evidence[arm]

    def unasked(self, least: int, new: int = 1) -> Evidence | None:
        """What the last window added to, if it has `least` windows and `new` ones came since
        the last question. A slot may have ended with that window: the arm in force is another
        then."""
        evidence = self._latest
        if self._unasked < new or evidence.features is None or len(evidence) < least:
            return None
        self._unasked = 0
        return evidence

    def views(self, evidence: Evidence, now_ns: int) -> tuple[View, ...]:
        """What the phase looked like from each setting, `evidence` last."""
        view = View(evidence.mean(), evidence.setting)
        if self.memory.add(view, now_ns / NS, self._domain):
            self.phase_ns = now_ns
        return self.memory.recall(now_ns / NS)

    @property
    def _domain(self) -> Domain | None:
        return self.seat.model.domain if self.seat.model else None

    def _learn(self, features: FeatureSchema, setting: Setting, arm: Arm, now_ns: int) -> Sight:
        self._latest = self._evidence[arm]
        shifted = self._latest.add(features, setting, self._domain)
        self._unasked, self.seen_ns = self._unasked + 1, now_ns
        if shifted:
            self.phase_ns = now_ns
            self.memory.clear()
        return Sight(features, "", shifted)


def see(seat: Seat, window: Window, setting: Setting) -> Sight:
    """What one window shows; an adapter that fails on it shows nothing, and why is said."""
    adapter = seat.adapter
    try:
        idle = adapter.idle(window)
        if idle is not None:
            return Sight(None, idle)
        return Sight(adapter.features(window, seat.proxy, setting), "")
    except Missing as missing:
        return Sight(None, f"missing: {missing}")
    except Exception as error:  # a plug-in's fault must not end the agent
        return Sight(None, f"adapter {adapter.name} failed: {type(error).__name__}: {error}")
