"""What became of each knob that was put back, left or closed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from mlproxy.cli.console import line, table
from mlproxy.cli.schema import RestoredKnob, RevertReport
from mlproxy.cli.view_common import text

WORDS = {
    "restored": "put back",
    "stood-down": "left: it is somebody else's now",
    "refused": "still open: it could not be put back",
    "gone": "closed: the object is gone",
    "other-boot": "closed: of another boot",
    "other-device": "closed: another device has this name",
    "kept": "left in force on purpose",
    "busy": "still open: another agent holds it",
    "damaged": "a damaged line of the journal",
}


def show_revert(console: Console, report: RevertReport) -> None:
    """The table, or one sentence when nothing was open."""
    if not report.knobs:
        line(console, f"Nothing to revert: no change is open in {report.state}.")
        return
    show_restored(console, report.knobs)


def show_restored(console: Console, knobs: Iterable[RestoredKnob]) -> None:
    """One line per knob."""
    found = table("proxy", "knob", "found", "baseline", "outcome", "why")
    for each in knobs:
        word = WORDS.get(each.outcome, each.outcome)
        found.add_row(
            each.proxy, text(each.knob), text(each.found), text(each.baseline), word, each.why
        )
    console.print(found)
