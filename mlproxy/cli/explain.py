"""`mlproxy explain ID`: everything about one recommendation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mlproxy.cli.console import emit, line, table
from mlproxy.cli.options import AsJson, State
from mlproxy.cli.place import mention_system_state, state_dir
from mlproxy.cli.schema import Candidate, ExplainReport, Happened
from mlproxy.cli.view_common import gain_text, text
from mlproxy.errors import ConfigError
from mlproxy.outcomes import Outcomes
from mlproxy.units import format_gain

LATEST = 8
SHORTEST_PREFIX = 4

Id = Annotated[str, typer.Argument(metavar="ID", help="As printed by apply, run and status.")]
Entry = Mapping[str, Any]


def explain(id: Id, state: State = None, as_json: AsJson = False) -> None:
    """Explain one recommendation: what, why, expected, measured, and how to do and undo it.

    Example: mlproxy explain 3fa90c12
    """
    mention_system_state(state, f"explain {id}")
    emit(explain_report(state_dir(state), id), as_json, show_explain)


def explain_report(folder: Path, id: str) -> ExplainReport:
    """Gathered from the outcome log. Raises: ConfigError that lists the latest ids."""
    from mlproxy.cli.why import strongest  # numpy and XGBoost: not for every command

    entries = list(Outcomes(folder).read())
    decisions = [entry for entry in entries if entry["kind"] == "decision"]
    decision = _find(decisions, id)
    if decision is None:
        raise ConfigError(f"no recommendation {id!r} in {folder}; {_latest(decisions)}")
    about = [entry for entry in entries if entry.get("recommendation") == decision["id"]]
    changes = [entry for entry in about if entry["kind"] == "change"]
    return ExplainReport(
        **{name: decision.get(name, default) for name, default in _PLAIN.items()},
        candidates=tuple(map(_candidate, decision.get("candidates", ()))),
        contributions=strongest(decision),
        verdict=decision.get("action", ""),
        measured=_measured(about),
        events=tuple(map(_happened, about)),
        do=tuple(change["do"] for change in changes[:1]),
        undo=tuple(change["undo"] for change in changes[:1]),
    )


_PLAIN: dict[str, Any] = {
    "id": "",
    "time_s": 0.0,
    "proxy": "",
    "device": "",
    "adapter": "",
    "knob": "",
    "current": None,
    "proposed": None,
    "baseline": None,
    "why": "",
    "features": {},
    "model": "",
    "predicted_gain": None,
    "predicted_lower": None,
    "rule": "",
    "reason": "",
}


def _find(decisions: Sequence[Entry], id: str) -> Entry | None:
    """By id, or by the beginning of one that is long enough to be meant."""
    for entry in reversed(decisions):
        whole = str(entry.get("id", ""))
        if whole == id or (len(id) >= SHORTEST_PREFIX and whole.startswith(id)):
            return entry
    return None


def _latest(decisions: Sequence[Entry]) -> str:
    if not decisions:
        return "nothing was decided there yet"
    last = reversed(decisions[-LATEST:])
    return "the latest are: " + ", ".join(
        f"{each.get('id')} ({each.get('device')} {each.get('knob')} "
        f"{each.get('current')} to {each.get('proposed')})"
        for each in last
    )


def _candidate(entry: Entry) -> Candidate:
    return Candidate(
        knob=entry.get("knob", ""),
        value=entry["value"],
        gain=entry["gain"],
        lower=entry["lower"],
    )


def _measured(about: Iterable[Entry]) -> str:
    trials = [entry for entry in about if entry["kind"] == "trial"]
    if not trials:
        return "untested"
    last = trials[-1]
    score = f"{last.get('wins', 0)} won, {last.get('losses', 0)} lost, {last.get('ties', 0)} tied"
    if last.get("gain") is None:
        return f"{last.get('event')}: {score}"
    interval = " to ".join(
        format_gain(last[name]) for name in ("low", "high") if last.get(name) is not None
    )
    return f"{last.get('event')}: {format_gain(last['gain'])} ({interval}), {score}"


def _happened(entry: Entry) -> Happened:
    what = f"{entry.get('knob', '')}: {entry.get('event', '')}"
    if entry["kind"] == "change":
        what = f"{entry['knob']} {entry.get('before')} to {entry.get('after')}: {entry.get('why')}"
    return Happened(time_s=entry["time_s"], kind=entry["kind"], what=what)


def show_explain(console: Console, report: ExplainReport) -> None:
    """In the order in which a person asks: what, why, expected, measured, how."""
    current, proposed = text(report.current), text(report.proposed)
    line(console, f"{report.id}: {report.device}, {report.knob} {current} to {proposed}")
    rows = {
        "when": _when(report.time_s),
        "proxy": f"{report.proxy} (adapter {report.adapter}), baseline {text(report.baseline)}",
        "why": report.why,
        "expected": _expected(report),
        "measured": report.measured,
        "verdict": f"{report.verdict} ({report.rule}): {report.reason}",
        "model": report.model,
    }
    for name, value in rows.items():
        line(console, f"  {name:9} {value}")
    for name, commands in (("do", report.do), ("undo", report.undo)):
        for command in commands:
            line(console, f"  {name:9} {command}")
    _show_tables(console, report)


def _show_tables(console: Console, report: ExplainReport) -> None:
    features = table("feature", "value", title="Seen")
    for name, value in report.features.items():
        features.add_row(name, _number(value))
    candidates = table(
        "knob", "candidate", "predicted gain (at least)", title="Expected of each candidate"
    )
    for each in report.candidates:
        candidates.add_row(each.knob, str(each.value), gain_text(each.gain, each.lower))
    shares = table("column", "value", "effect", title="What spoke for it, in the last window")
    for share in report.contributions:
        shares.add_row(share.column, _number(share.value), f"x {share.factor:.2f}")
    events = table("when", "", "", title="Since then")
    for event in report.events:
        events.add_row(_when(event.time_s), event.kind, event.what)
    for found in (features, candidates, shares, events):
        if found.row_count:
            console.print(found)


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _expected(report: ExplainReport) -> str:
    if report.predicted_gain is None or report.predicted_lower is None:
        return "-"
    gain, least = format_gain(report.predicted_gain), format_gain(report.predicted_lower)
    return f"{gain}, at least {least}"
