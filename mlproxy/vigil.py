"""A vigil over a value that rules without slots: when it may begin, what guarded counters did
before it against what they do under it, and when it is of no use any more. Pure but for the
windows that it remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from mlproxy.decide import same
from mlproxy.knob import Unit, Value
from mlproxy.look import Look
from mlproxy.objective import Guard
from mlproxy.patience import Patience
from mlproxy.ruling import Ruling
from mlproxy.seat import Seat
from mlproxy.snapshot import Window
from mlproxy.trial import Judged
from mlproxy.verdict import Verdict
from mlproxy.watch import Sight, Watch

DEPTH = 10
"""Windows remembered of either time ..."""

BEFORE_S, UNDER_S = 1.5, 8.0
"""... and as long as this of each, before anything is said."""

NOISE = 0.1
"""What ten seconds of a steady writer differ by from the ten before."""


class Ruled(Protocol):
    """The part of a controller that a vigil looks at."""

    ruling: Ruling | None
    look: Look | None
    setting: dict[str, Value]
    verdict: Verdict
    watch: Watch

    def rule(self, ruling: Ruling | None) -> None: ...


class Vigil:
    """Guards of one proxy; a guard without a counter is not watched."""

    def __init__(self, guards: Sequence[Guard], patience: Patience | None = None) -> None:
        self.patience = patience
        self._guards = [guard for guard in guards if guard.counter]
        self._before: deque[Window] = deque(maxlen=DEPTH)
        self._under: deque[Window] = deque(maxlen=DEPTH)

    def judge(self, ruled: Ruled, sight: Sight) -> Judged | None:
        """What the guards make of a window: the end of what rules, or nothing."""
        window = ruled.watch.window if sight.features is not None else None
        ruling = ruled.ruling
        wanted: Mapping[str, Value] = ruling.treated if ruling else {}
        away = ruled.look is not None or not same(wanted, ruled.setting)
        objection = self.take(window, ruling is not None, away, sight.shifted)
        if ruling is not None and objection:
            return ruling.fail(objection)
        if self.patience is not None and ruled.watch.window is not None and ruled.look is None:
            self._wait(self.patience, ruled.watch.window, ruled)
        return None

    @staticmethod
    def _wait(patience: Patience, window: Window, ruled: Ruled) -> None:
        patience.take(window, ruled.ruling is not None)
        if left := patience.left(ruled.setting):
            ruled.rule(None)
            ruled.verdict = Verdict("hold", "released", left)

    def take(self, window: Window | None, ruled: bool, away: bool, shifted: bool = False) -> str:
        """Take a window in; why the value must not rule any longer, "" where nothing says so.

        Args:
            window: None when it says nothing.
            ruled: a value rules instead of the baseline.
            away: though it rules, something else is in force: a step on the way, a look.
            shifted: another phase begins with this window.
        """
        if window is None or shifted:
            self._before.clear()
        if window is None or shifted or not ruled or away:
            self._under.clear()
        if window is None or away:
            return ""
        if not ruled:
            self._before.append(window)
            return ""
        self._under.append(window)
        if _length_s(self._before) < BEFORE_S or _length_s(self._under) < UNDER_S:
            return ""
        found = (self._objection(guard) for guard in self._guards)
        return next(filter(None, found), "")

    def _objection(self, guard: Guard) -> str:
        was, now = _rate(self._before, guard.counter), _rate(self._under, guard.counter)
        cap = _rate(self._before, guard.cap) if guard.cap else None
        if cap is not None and was is not None:
            was = min(was, cap)
        if not was or now is None:
            return ""
        ratio = now / was
        if ratio < guard.floor * (1 - NOISE):
            return f"{guard.what}: {ratio:.2f} of what they were, {guard.floor:g} is asked for"
        most = max((_rate([each], guard.counter) or 0.0 for each in self._before), default=0.0)
        if guard.ceiling is not None and now > most * guard.ceiling * (1 + NOISE):
            over = now / most
            return f"{guard.what}: {over:.2f} times the most before, {guard.ceiling:g} is allowed"
        return ""


def vigil_over(seat: Seat) -> Vigil | None:
    """None where slots judge; no guards where the kernel has its own."""
    if all(knob.trial is not Unit.LEASE for knob in seat.adapter.knobs):
        return None
    guards = () if seat.proxy.lease else seat.objective.guards
    return Vigil(guards, Patience(seat.adapter))


def _length_s(windows: Sequence[Window]) -> float:
    return sum(window.elapsed_s for window in windows)


def _rate(windows: Sequence[Window], counter: str) -> float | None:
    """Growth per second over all windows; None where one of them lacks the counter."""
    grown = [window.delta(counter) for window in windows]
    known = [each for each in grown if each is not None]
    return sum(known) / _length_s(windows) if windows and len(known) == len(grown) else None
