"""Putting what the gate allows in force, and taking it back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlproxy.actuator import Actuator
from mlproxy.cli.schema import FoundChange
from mlproxy.cli.signals import undisturbed, unwinding
from mlproxy.errors import MlproxyError, Overridden, WriteRefused
from mlproxy.journal import Journal
from mlproxy.knob import Unit
from mlproxy.outcomes import Outcomes
from mlproxy.restore import Restored

if TYPE_CHECKING:
    from mlproxy.survey import Finding


class Hand:
    """Applies findings one by one and remembers what it did.

    `error` is the first reason why an allowed change was not made.
    """

    def __init__(self, actuator: Actuator, outcomes: Outcomes) -> None:
        self.error: MlproxyError | None = None
        self.restored: list[Restored] = []
        self._actuator = actuator
        self._outcomes = outcomes
        self._touched: list[Finding] = []

    def apply(self, findings: Sequence[Finding], rows: Sequence[FoundChange]) -> list[FoundChange]:
        """The rows again, each with what became of it."""
        return [self._apply(*pair) for pair in zip(findings, rows, strict=True)]

    def keep(self) -> None:
        """Leave what was done in force until `mlproxy revert`."""
        while self._touched:
            self._actuator.keep(self._touched[-1].seat.proxy)
            self._touched.pop()

    def take_back(self) -> None:
        """Restore whatever is not kept."""
        while self._touched:
            proxy = self._touched.pop().seat.proxy
            self.restored += self._actuator.restore(proxy, "apply is over")
            self._actuator.release(proxy)

    def _apply(self, finding: Finding, row: FoundChange) -> FoundChange:
        if row.id:
            self._outcomes.write("decision", action=row.verdict, **_decision(row))
        if row.verdict != "apply":
            return row
        try:
            value = self._set(finding)
        except MlproxyError as error:
            self.error = self.error or error
            return row.model_copy(update={"trouble": str(error)})
        self._outcomes.write("change", **_change(row))
        return row.model_copy(update={"applied": True, "in_force": value})

    def _set(self, finding: Finding) -> int | str:
        seat, rec = finding.seat, finding.recommendation
        assert rec is not None
        knob = seat.adapter.knob(rec.knob)
        if knob.trial is Unit.LEASE:
            why = f"{knob.name} is changed step by step under guards, which `mlproxy run` does"
            raise WriteRefused(f"{why}; `mlproxy apply` writes once")
        self._actuator.hold(seat.proxy)
        self._touched.append(finding)
        for name, found in self._actuator.begin(seat.proxy, seat.adapter).items():
            if found != seat.baseline.get(name, found):
                was = f"{name} of {seat.proxy.device} was {seat.baseline[name]}"
                raise Overridden(f"{was} when mlproxy looked and holds {found}: it is theirs")
        return self._actuator.set(seat.proxy, seat.adapter, knob, rec.proposed, seat.clamp(knob))


@contextmanager
def hand(root: Path, state: Path) -> Iterator[Hand]:
    """A hand whose changes are taken back at the end, however it comes, unless kept."""
    journal = Journal(state)
    found = Hand(Actuator(root, journal), Outcomes(state))
    with unwinding():
        try:
            yield found
        finally:
            with undisturbed():
                found.take_back()
                journal.shut()


def wait(seconds: float, quiet: bool) -> None:
    """Hold for a while, with the time that is left on a terminal."""
    from mlproxy.cli.console import observing

    with observing(seconds, quiet):
        time.sleep(seconds)


def _decision(row: FoundChange) -> dict[str, object]:
    unlogged = {
        "transport",
        "verdict",
        "setting",
        "do",
        "undo",
        "lacks",
        "applied",
        "in_force",
        "trouble",
    }
    return row.model_dump(exclude=unlogged)


def _change(row: FoundChange) -> dict[str, object]:
    return {
        "proxy": row.proxy,
        "device": row.device,
        "adapter": row.adapter,
        "knob": row.knob,
        "before": row.current,
        "after": row.proposed,
        "why": "gain",
        "recommendation": row.id,
        "do": "; ".join(row.do),
        "undo": "; ".join(row.undo),
    }
