"""The controller of a proxy that the kernel itself offers: it recommends, renews and reads.

The kernel changes the knob in slots of its own, tries the value, and takes it back. What is
in force is therefore what each sample says, and what this side wants is a commit: what is
recommended, and until when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlproxy.adapter import Missing
from mlproxy.attempt import UNSURE, attempt
from mlproxy.change import Change
from mlproxy.controller import Controller, Meter
from mlproxy.decide import Answer, Question
from mlproxy.errors import Postponed
from mlproxy.kernel_ruling import KernelRuling
from mlproxy.kernel_trial import KernelReading, kernel_reading
from mlproxy.knob import Knob, Value
from mlproxy.lease import COMMIT, LIMIT, PausedByKernel, lease_ms
from mlproxy.look import DOUBT_AGAIN_S, DOUBT_LOOKS
from mlproxy.mode import Mode
from mlproxy.proxy import Proxy
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS
from mlproxy.seat import Seat
from mlproxy.shell import shell_line
from mlproxy.snapshot import Sample
from mlproxy.trial import Judged
from mlproxy.verdict import History, Verdict

if TYPE_CHECKING:
    from mlproxy.actuator import Actuator

RENEW_SHARE = 3
"""A lease is renewed once it could end this part of itself later."""

SAMPLE_SHARE = 0.8
"""Samples closer together than a slot is long show every change of the values."""

SILENT = "renew"
"""Why of a change that changes nothing."""


@dataclass(frozen=True)
class LeaseChange(Change):
    """Something to be written to class ml_proxy.

    Args:
        values: to be committed; {} withdraws what is; None allows (`value` is the new
            mode_limit) or, with the value emergency, stops.
        staged: `values`, or the baseline in their place, as the class takes them; None where it
            takes the same, {} where nobody knows.
    """

    values: Mapping[str, Value] | None = None
    staged: Mapping[str, Value] | None = None

    def make(self, actuator: Actuator, seat: Seat) -> None:
        """Write it. Raises: Postponed, Overridden, WriteRefused, JournalError."""
        if self.staged is not None and not self.staged:
            raise Postponed(f"{self.knob} {self.value}: what the class takes for it is not known")
        if self.values:
            clamps = {knob.name: seat.clamp(knob) for knob in seat.watched}
            actuator.leases.recommend(seat.proxy, self.values, clamps, self.staged)
        elif self.values is not None:
            actuator.leases.withdraw(seat.proxy)
        elif self.value == Mode.EMERGENCY:
            actuator.leases.stop(seat.proxy)
        else:
            actuator.open_lease(seat.proxy, Mode(str(self.value)), seat.policy.lease_s)

    def lines(self, proxy: Proxy, before: Value) -> tuple[str, str]:
        """Shell lines that do and undo it. One process must stage and commit."""
        limit = f"{proxy.lease}/{LIMIT}"
        if self.values is None:
            return shell_line(limit, self.value), shell_line(limit, before)
        values = self.staged or self.values or {self.knob: self.value}
        return commit_line(proxy, values), shell_line(limit, Mode.EMERGENCY)


def commit_line(proxy: Proxy, values: Mapping[str, Value]) -> str:
    """One shell line that stages `values` and commits them."""
    folder = f"/{proxy.lease}"
    staged = " && ".join(f"echo {v} > {folder}/{k}/recommended" for k, v in values.items())
    number = f"$(($(cat {folder}/sequence) + 1))"
    return f"{staged} && echo {number} > {folder}/{COMMIT}"


class LeasedController(Controller):
    """See the module. `reading` is the last of the kernel's; None before there is one."""

    def __init__(self, seat: Seat, meter: Meter | None, now_ns: int) -> None:
        super().__init__(seat, meter, now_ns)
        self.reading: KernelReading | None = None
        self._names = tuple(knob.name for knob in seat.watched)
        self._taken_ns = now_ns
        self._asked: dict[str, Value] | None = None
        self._sequence: int | None = None
        self._later_ns = now_ns
        self._tried_ns = self._tries = 0

    @property
    def contested(self) -> str:
        """What somebody else did to the device since we left it; "" when nothing."""
        reading = self.reading
        if reading is None or self._asked is None or self._sequence is None:
            return ""
        if reading.limit != self.seat.policy.mode:
            return f"{LIMIT} is {reading.limit}, we left {self.seat.policy.mode}"
        if reading.lease_ms != lease_ms(self.seat.policy.lease_s):
            return f"lease_ms is {reading.lease_ms}, we left {lease_ms(self.seat.policy.lease_s)}"
        if reading.sequence != self._sequence:
            return f"commit {reading.sequence} is somebody else's, ours was {self._sequence}"
        return ""

    @property
    def counted(self) -> dict[str, int]:
        """What the adapter names of the device's features/."""
        values = self._sample.values if self._sample else {}
        found = {name: values.get(f"kernel.{name}") for name in self.seat.adapter.class_features}
        return {name: int(value) for name, value in found.items() if value is not None}

    def may_look(self, knob: Knob) -> bool:
        """Never: the baseline's slots come back by themselves."""
        return False

    def left(self, knob: str) -> Value | None:
        """What the knob's own file should hold: it is never written here."""
        return self.seat.baseline.get(knob)

    def observe(self, sample: Sample, now_ns: int) -> Judged | None:
        """As Controller.observe, with what the kernel has in force and has found."""
        self._follow(sample, now_ns)
        judged = super().observe(sample, now_ns)
        if judged is None and self.ruling is not None:
            judged = self.ruling.account(now_ns, None)
        return judged

    def question(self, now_ns: int) -> Question | None:
        """As Controller.question; not while the kernel wants to be left alone."""
        return None if now_ns < self._later_ns else super().question(now_ns)

    def attempt(
        self, answer: Answer, verdict: Verdict, history: History, now_ns: int
    ) -> tuple[Recommendation, Verdict] | None:
        """Where nothing rules, a few times in a phase, then once a minute (as with looks); see
        mlproxy.attempt."""
        again = now_ns - self._tried_ns >= DOUBT_AGAIN_S * NS
        if again or self._tried_ns <= self.watch.phase_ns:
            self._tries = 0
        if self.ruling is not None or verdict.rule not in UNSURE or self._tries >= DOUBT_LOOKS:
            return None
        found = attempt(answer, self.seat.policy, history)
        if found is not None:
            self._tried_ns, self._tries = now_ns, self._tries + 1
        return found

    def wanted(self, now_ns: int, paused: bool) -> Change | None:
        """The next write that is due: allow, commit, renew, withdraw or stop."""
        if self.stood_down or self.seat.lacks or self._observes:
            return None
        if paused:
            self.ruling = None
            return None if self._asked is None else self._limit(Mode.EMERGENCY, "paused")
        if now_ns < self._later_ns:
            return None
        if self._asked is None:
            return self._limit(self.seat.policy.mode, "allow")
        why = "withdraw"
        if self.ruling is not None and self.ruling.lapsed(now_ns):
            self.rule(None)
            why = "lease over"
        target = dict(self.ruling.treated) if self.ruling else {}
        if target != self._asked:
            return self._commit(target, "gain" if target else why)
        return self._commit(target, SILENT) if target and self._renewal_is_due() else None

    def changed(self, setting: dict[str, Value], change: Change, now_ns: int) -> None:
        """A write was made; what it does to the values, the next samples show."""
        assert isinstance(change, LeaseChange)
        self._sequence = None
        if change.values is None:
            self._asked = None if change.value == Mode.EMERGENCY else {}
            return
        self._asked = dict(change.values)
        self.written |= set(change.values)
        if isinstance(self.ruling, KernelRuling):
            self.ruling.committed(now_ns)
        if change.why != SILENT:
            self.changed_ns = now_ns
            self.watch.settle(now_ns)

    def postponed(self, error: Postponed, now_ns: int) -> None:
        """The kernel takes nothing just now; what it leaves alone for long does not rule."""
        self._later_ns = now_ns + round(error.pause_s * NS)
        self.verdict = Verdict("hold", "kernel", str(error))
        if isinstance(error, PausedByKernel):
            self.rule(None)

    def schedule(self, now_ns: int) -> None:
        """As Controller.schedule; during a trial often enough to tell its arms apart."""
        super().schedule(now_ns)
        if self._asked and self.reading is not None and self.reading.counts:
            gap_ns = round(self.reading.slot_s * SAMPLE_SHARE * NS)
            self.due_ns = min(self.due_ns, now_ns + gap_ns)

    @property
    def _observes(self) -> bool:
        return Mode.EMERGENCY in (self.seat.policy.mode, self.seat.policy.start)

    def _follow(self, sample: Sample, now_ns: int) -> None:
        """Take over what is in force. A window must not span a change of it, nor a time in
        which it may have changed and changed back."""
        before, self.reading = self.reading, kernel_reading(sample.values, self._names)
        reading, gap_ns = self.reading, sample.taken_ns - self._taken_ns
        self._taken_ns = sample.taken_ns
        if isinstance(self.ruling, KernelRuling):
            self.ruling.reading = reading
        if reading is None:
            return
        if self._sequence is None:
            self._sequence = reading.sequence
        elif self._asked and not reading.leased:
            self._asked = {}  # taken back by the kernel, or over: then nobody renewed it
            if isinstance(self.ruling, KernelRuling) and now_ns >= (self.ruling.until_ns or 0):
                self.rule(None)
        setting = {**self.seat.baseline, **reading.effective}
        unseen = self._takes_turns(before) and gap_ns >= reading.slot_s * NS
        if setting != self.setting or unseen:
            self.setting = setting
            settle_s = reading.slot_s / 4 if reading.counts else 0.0
            self.watch.settle(now_ns + round(settle_s * NS))

    def _takes_turns(self, reading: KernelReading | None) -> bool:
        """True while the kernel lets another value than the baseline rule now and then."""
        held = reading.recommended if reading else {}
        return any(value != self.seat.baseline.get(name) for name, value in held.items())

    def _renewal_is_due(self) -> bool:
        ruling = self.ruling
        if not isinstance(ruling, KernelRuling) or ruling.until_ns is None:
            return True
        return ruling.lease_until_ns - ruling.until_ns >= ruling.lease_ns // RENEW_SHARE

    def _limit(self, mode: Mode, why: str) -> LeaseChange:
        held = self.reading.limit if self.reading else Mode.EMERGENCY
        return LeaseChange(LIMIT, str(mode), why, before=str(held))

    def _commit(self, values: dict[str, Value], why: str) -> LeaseChange:
        knob = next(iter(values), self._names[0])
        value = values.get(knob, self.seat.baseline[knob])
        return LeaseChange(knob, value, why, values=values, staged=self._staged(values))

    def _staged(self, values: dict[str, Value]) -> Mapping[str, Value] | None:
        """{} where they cannot be told just now."""
        adapter = self.seat.adapter
        if not adapter.class_knobs:
            return None
        try:
            seen = self._sample.values if self._sample else {}
            return adapter.to_class({**self.seat.baseline, **values}, seen)
        except Missing:
            return {}
