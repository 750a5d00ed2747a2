"""Putting an agent together from a session, a state folder and what was found there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlproxy.actuator import Actuator
from mlproxy.cli.console import note
from mlproxy.cli.session import Session
from mlproxy.cli.signals import undisturbed
from mlproxy.controller import Controller, Meter
from mlproxy.disk import Disk
from mlproxy.journal import Journal
from mlproxy.judgement import Judgement
from mlproxy.leased import LeasedController
from mlproxy.ledger import Ledger
from mlproxy.loop import Agent
from mlproxy.mode import Mode
from mlproxy.objective import Objective
from mlproxy.outcomes import Outcomes
from mlproxy.policy_objective import ObjectiveSource
from mlproxy.progress import ProgressSource, SampleProgress, open_progress
from mlproxy.reading import Progress
from mlproxy.seat import Seat, build_seats
from mlproxy.snapshot import Sample
from mlproxy.trust import NAME, TrustStore


@dataclass(frozen=True)
class Gauge:
    """The progress source of one seat."""

    source: ProgressSource
    objective: Objective

    def meter(self, sample: Sample) -> Progress | None:
        """Reads it at a sample: from the sample itself where it is a counter of the proxy."""
        if isinstance(self.source, SampleProgress):
            primary = sample.values.get(self.source.attribute)
        else:
            primary = self.source.read()
        return None if primary is None else self.objective.totals(primary, sample.values)


@contextmanager
def built_agent(
    session: Session, state: Path, outcomes: Outcomes | None = None
) -> Iterator[Agent | None]:
    """An agent that holds every knob it may change; None where there is nothing to tune.

    At the end everything is taken back (or kept, where the policy says so), whatever
    happened in between.

    Raises:
        Busy: another agent holds a device; the message names it.
        ConfigError: a policy's objective is refused.
    """
    seats = build_seats(session.policies, session.registry, session.transport, session.devices)
    if not seats:
        yield None
        return
    Disk().ensure_folder(state)
    journal = Journal(state)
    actuator = Actuator(session.tree.root, journal)
    gauges: dict[str, Gauge] = {}
    try:
        _hold(actuator, seats)
        gauges = _gauges(session, seats)
        ledger = Ledger(state, session.tree.root)
        ledger.outcomes = outcomes or ledger.outcomes
        agent = _agent(session, state, seats, gauges, actuator, ledger)
        with _closing(agent):
            yield agent
    finally:
        _close(actuator, seats, gauges, journal)


def _agent(
    session: Session,
    state: Path,
    seats: Sequence[Seat],
    gauges: dict[str, Gauge],
    actuator: Actuator,
    ledger: Ledger,
) -> Agent:
    trust = TrustStore.load(state / NAME)
    if trust.problem:
        note(trust.problem)
    now_ns = session.tree.now_ns()
    meters = {name: gauge.meter for name, gauge in gauges.items()}
    controllers = [_controller(seat, meters.get(seat.proxy.id), now_ns) for seat in seats]
    resolution_s = {name: gauge.source.resolution_s for name, gauge in gauges.items()}
    resolution_s |= {seat.proxy.id: 0.0 for seat in seats if _is_tried_there(session, seat)}
    judgement = Judgement(trust, resolution_s)
    return Agent(session.tree, session.transport, controllers, judgement, actuator, ledger, state)


def _controller(seat: Seat, meter: Meter | None, now_ns: int) -> Controller:
    if seat.proxy.lease:
        return LeasedController(seat, None, now_ns)
    return Controller(seat, meter, now_ns)


def _is_tried_there(session: Session, seat: Seat) -> bool:
    """True where the kernel itself puts recommendations to the test."""
    return bool(seat.proxy.lease) and session.tree.exists(f"{seat.proxy.lease}/trial/pairs")


@contextmanager
def _closing(agent: Agent) -> Iterator[None]:
    try:
        yield
    finally:
        with undisturbed():
            agent.close()


def _hold(actuator: Actuator, seats: Sequence[Seat]) -> None:
    """Only what may be changed: an observer disturbs nobody."""
    for seat in seats:
        if not seat.lacks and seat.policy.mode is not Mode.EMERGENCY:
            actuator.hold(seat.proxy)


def _gauges(session: Session, seats: Sequence[Seat]) -> dict[str, Gauge]:
    """One source per seat; seats of one policy share what is read from outside."""
    shared: dict[ObjectiveSource, ProgressSource | None] = {}
    found: dict[str, Gauge] = {}
    for seat in seats:
        if seat.proxy.lease:
            continue  # the kernel measures its own slots
        named = seat.policy.objective
        if named is None or named not in shared:
            source = open_progress(named, seat.adapter.objective, session.tree)
            if named is not None:
                shared[named] = source
        else:
            source = shared[named]
        if source is not None:
            found[seat.proxy.id] = Gauge(source, seat.adapter.objective)
    return found


def _close(
    actuator: Actuator, seats: Sequence[Seat], gauges: dict[str, Gauge], journal: Journal
) -> None:
    for gauge in gauges.values():
        gauge.source.close()
    for seat in seats:
        actuator.release(seat.proxy)
    journal.shut()
