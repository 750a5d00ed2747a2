"""`mlproxy status`: what the agent does and what it gained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlproxy.cli.console import emit
from mlproxy.cli.options import AsJson, State
from mlproxy.cli.pause import paused_by
from mlproxy.cli.place import mention_system_state, state_dir
from mlproxy.cli.schema import HeldKnob, StatusReport
from mlproxy.cli.view_status import show_status
from mlproxy.journal import Journal
from mlproxy.record import Record
from mlproxy.status import KnobStatus, read_status


def status(state: State = None, as_json: AsJson = False) -> None:
    """Show what the agent does now and what it gained: measured, untested and lost apart.

    Example: mlproxy status --json
    """
    mention_system_state(state, "status")
    emit(status_report(state_dir(state)), as_json, show_status)


def status_report(folder: Path) -> StatusReport:
    """What the status file and the journal of a state folder say."""
    last = read_status(folder)
    knobs = last.knobs if last else ()
    return StatusReport(
        state=str(folder),
        running=bool(last and last.alive and last.paused != "not running"),
        pid=last.pid if last else None,
        started_s=last.started_s if last else None,
        updated_s=last.updated_s if last else None,
        paused=paused_by(folder),
        ticks=last.ticks if last else 0,
        measured=_judged(knobs, "measured"),
        untested=_judged(knobs, "untested"),
        lost=_judged(knobs, "lost"),
        others=_judged(knobs, ""),
        held=tuple(_held(Journal(folder).open_records())),
    )


def _judged(knobs: Iterable[KnobStatus], word: str) -> tuple[KnobStatus, ...]:
    return tuple(knob for knob in knobs if knob.judged == word)


def _held(records: Iterable[Record]) -> Iterable[HeldKnob]:
    for record in records:
        for name, knob in record.knobs.items():
            if knob.open:
                yield HeldKnob(
                    proxy=record.proxy,
                    knob=name,
                    baseline=knob.baseline,
                    ours=tuple(sorted(knob.ours, key=str)),
                    kept=record.kept,
                )
