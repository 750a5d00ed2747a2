"""A ruling whose slots and trial are the kernel's: this side renews it and reads along."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mlproxy.gain import Gain
from mlproxy.kernel_trial import KernelReading, pair_result, trial_event, trial_state
from mlproxy.knob import Value
from mlproxy.lease import lease_ms
from mlproxy.objective import Objective
from mlproxy.policy import Policy
from mlproxy.reading import Progress
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import Ruling
from mlproxy.slots import Arm
from mlproxy.trial import Judged, Result, TrialState


@dataclass
class KernelRuling(Ruling):
    """A recommendation that was, or is about to be, committed.

    Args:
        reading: the last that was read of its proxy.
        until_ns: end of the kernel's lease as last renewed; None before the first commit.
    """

    reading: KernelReading | None = None
    until_ns: int | None = None
    _last: KernelReading | None = None
    _over: bool = False

    @property
    def share(self) -> Fraction:
        """Share of time in which the value rules, before it is proven."""
        return self.state.share

    @property
    def arm(self) -> Arm:
        """Whose value is in force, as last read."""
        if self.reading is None or not self.reading.leased:
            return "baseline"
        effective = self.reading.effective
        rules = all(effective.get(name) == value for name, value in self.treated.items())
        return "treated" if rules else "baseline"

    @property
    def in_slots(self) -> bool:
        """True while the values change by themselves."""
        return self.reading is not None and self.reading.leased

    @property
    def slot_s(self) -> float | None:
        """Length of the kernel's slots; None where it holds no trial."""
        if self.reading is None or not self.reading.counts:
            return None
        return self.reading.slot_s

    @property
    def gain(self) -> Gain | None:
        """None until the kernel counts for these values: what was read before were others'."""
        known = self.reading.recommended if self.reading else {}
        is_own = all(known.get(name) == value for name, value in self.treated.items())
        return self.state.gain if is_own else None

    @property
    def lease_ns(self) -> int:
        """The lease, within what the kernel takes."""
        return lease_ms(self.policy.lease_s) * 1_000_000

    def renew(self, now_ns: int) -> None:
        """As Ruling.renew."""
        self.lease_until_ns = now_ns + self.lease_ns

    def drift(self, now_ns: int) -> None:
        """The kernel sees for itself when baseline slots no longer agree."""

    def interrupt(self) -> None:
        """There are no slots of ours to interrupt."""

    def resume(self, now_ns: int) -> None:
        """Nor to take up again."""

    def committed(self, now_ns: int) -> None:
        """Its values were committed, or renewed."""
        self.until_ns = now_ns + self.lease_ns

    def account(self, now_ns: int, progress: Progress | None) -> Judged | None:
        """What the kernel's trial found since the last reading; `progress` is not asked."""
        before, now = self._last, self.reading
        if now is None or self.until_ns is None or self._over:
            return None
        self._last = now
        if before is None or before is now:
            return None
        event = trial_event(before, now, due=now_ns >= self.until_ns)
        self._over = event is not None and event.takes_back
        result = pair_result(before, now)
        self.state = trial_state(self.state, now)
        if result is Result.WIN and not self.refused:
            self.renew(now_ns)
        if event is None and result is Result.UNTESTED:
            return None
        return Judged(self.state, result, event)


def open_kernel_ruling(
    recommendation: Recommendation,
    treated: dict[str, Value],
    policy: Policy,
    objective: Objective,
    state: TrialState,
    measurable: bool,
    now_ns: int,
) -> KernelRuling:
    """A ruling at the mode that `state` has earned; the kernel draws its slots."""
    ruling = KernelRuling(
        recommendation, treated, policy, objective, state, None, measurable, now_ns, now_ns
    )
    ruling.renew(now_ns)
    return ruling
