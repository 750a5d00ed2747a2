"""What `mlproxy status` and the live view of `mlproxy run` show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlproxy.cli.console import line, table
from mlproxy.cli.schema import HeldKnob, StatusReport
from mlproxy.cli.view_common import gain_text, text
from mlproxy.status import KnobStatus
from mlproxy.units import format_duration, format_gain, format_percent


def show_status(console: Console, report: StatusReport) -> None:
    """Who runs, then the three tables, then what nothing is recommended for."""
    line(console, _headline(report))
    if report.paused:
        line(console, f"Paused {report.paused}.")
    for part in knob_tables(report.measured, report.untested, report.lost, report.others):
        console.print(part)
    _show_held(console, report.held)


def knob_tables(
    measured: Sequence[KnobStatus],
    untested: Sequence[KnobStatus],
    lost: Sequence[KnobStatus],
    others: Sequence[KnobStatus],
) -> list[RenderableType]:
    """A table each for what was measured, what could not be, what was lost, and the rest."""
    found: list[RenderableType] = []
    if measured:
        found.append(_judged_table("Measured", measured))
    if untested:
        found.append(_untested_table(untested))
    if lost:
        found.append(_judged_table("Lost (measured to be worse, taken back)", lost))
    if others:
        found.append(_other_table(others))
    return found


def live_view(knobs: Sequence[KnobStatus], headline: str) -> RenderableType:
    """The same tables under one line, for a terminal."""
    parts = (
        [k for k in knobs if k.judged == word] for word in ("measured", "untested", "lost", "")
    )
    return Group(Text(headline), *knob_tables(*parts))


def _headline(report: StatusReport) -> str:
    if report.updated_s is None:
        return f"No agent has run with the state folder {report.state}."
    when = datetime.fromtimestamp(report.updated_s).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    if report.running:
        return f"Agent {report.pid} is running, {report.ticks} ticks, last word {when}."
    return f"No agent is running; the last one (process {report.pid}) was heard at {when}."


def _judged_table(title: str, knobs: Iterable[KnobStatus]) -> Table:
    columns = ("device", "knob", "baseline", "now", "mode", "measured gain", "interval", "pairs")
    found = table(*columns, title=title)
    for knob in knobs:
        interval = "-"
        if knob.measured_low is not None and knob.measured_high is not None:
            low, high = format_gain(knob.measured_low), format_gain(knob.measured_high)
            interval = f"{low} to {high}"
        score = f"{knob.pairs} ({knob.wins} won, {knob.losses} lost)"
        gain = gain_text(knob.measured_gain, None)
        found.add_row(*_place(knob), _mode(knob), gain, interval, score)
    return found


def _untested_table(knobs: Iterable[KnobStatus]) -> Table:
    columns = (
        "device",
        "knob",
        "baseline",
        "now",
        "mode",
        "predicted gain\n(at least)",
        "verdict in",
        "reason",
    )
    found = table(*columns, title="Untested (nothing here measures the application's progress)")
    for knob in knobs:
        gain = gain_text(knob.predicted_gain, knob.predicted_lower)
        left = (
            "never" if knob.verdict_in_s is None else format_duration(round(knob.verdict_in_s, 1))
        )
        found.add_row(*_place(knob), _mode(knob), gain, left, knob.reason)
    return found


def _other_table(knobs: Iterable[KnobStatus]) -> Table:
    found = table(
        "device", "knob", "baseline", "now", "rule", "reason", title="Left at the baseline"
    )
    for knob in knobs:
        found.add_row(*_place(knob), knob.rule, knob.reason)
    return found


def _place(knob: KnobStatus) -> tuple[str, str, str, str]:
    return knob.device, knob.knob, text(knob.baseline), text(knob.effective)


def _mode(knob: KnobStatus) -> str:
    return f"{knob.mode} ({format_percent(knob.share)})"


def _show_held(console: Console, held: Sequence[HeldKnob]) -> None:
    if not held:
        return
    found = table("proxy", "knob", "baseline", "may hold", "", title="`mlproxy revert` puts back")
    for knob in held:
        ours = ", ".join(map(str, knob.ours)) or "-"
        kept = "kept on purpose" if knob.kept else ""
        found.add_row(knob.proxy, knob.knob, str(knob.baseline), ours, kept)
    console.print(found)
