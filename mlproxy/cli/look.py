"""Observe for a while and ask the models and the gate; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlproxy.cli.console import note, observing
from mlproxy.cli.schema import ApplyReport, FoundChange, RestoredKnob
from mlproxy.cli.session import Session
from mlproxy.cli.view_probe import NOTHING

if TYPE_CHECKING:
    from mlproxy.survey import Finding


def look(session: Session, quiet: bool, state: Path | None = None) -> tuple[int, list[Finding]]:
    """How many windows were seen, and one finding per proxy that a policy claims.

    `state`: where an agent keeps what it found of this machine; None of a recorded one.
    """
    from mlproxy.seat import build_seats
    from mlproxy.survey import WINDOW_S, Survey
    from mlproxy.trust import NAME, TrustStore

    seats = build_seats(session.policies, session.registry, session.transport, session.devices)
    if not seats:
        return 0, []
    trust = None if state is None else TrustStore.load(state / NAME)
    if trust is not None and trust.problem:
        note(trust.problem)
    survey = Survey(session.tree, session.transport, seats, trust)
    with observing(WINDOW_S, quiet or not session.tree.live):
        windows = survey.observe()
    return windows, survey.decide()


def report_of(
    session: Session,
    windows: int,
    rows: Sequence[FoundChange],
    dry_run: bool,
    recovered: Sequence[RestoredKnob] = (),
) -> ApplyReport:
    """The report of `apply`, with its closing sentence."""
    notes = {name: session.registry.get(name).note for name in session.proxies}
    return ApplyReport(
        root=str(session.tree.root),
        dry_run=dry_run,
        windows=windows,
        recovered=tuple(recovered),
        findings=tuple(rows),
        notes={name: note for name, note in notes.items() if note},
        skipped=session.skipped,
        summary=_summary(rows, dry_run),
    )


def _summary(rows: Sequence[FoundChange], dry_run: bool) -> str:
    if not rows:
        return NOTHING
    wanted = [row for row in rows if row.verdict == "apply"]
    done = sum(row.applied for row in rows)
    looked = "1 proxy" if len(rows) == 1 else f"{len(rows)} proxies"
    if not wanted:
        return f"Looked at {looked}; nothing to change now. Nothing was written."
    if dry_run:
        plural = "change" if len(wanted) == 1 else "changes"
        return f"Looked at {looked}; {len(wanted)} {plural} would be made. Nothing was written."
    return (
        f"Looked at {looked}; {done} of {len(wanted)} changes made. `mlproxy revert` undoes them."
    )
