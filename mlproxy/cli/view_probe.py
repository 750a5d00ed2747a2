"""The table of `mlproxy probe`."""

from __future__ import annotations

from rich.console import Console

from mlproxy.cli.console import line, table
from mlproxy.cli.schema import ProbedKnob, ProbeReport
from mlproxy.cli.view_common import show_lacks, show_notes, text, with_transport

NOTHING = "Nothing to tune: no device here has a knob that an installed adapter knows."
NO_PROGRESS = "none: a trial stays untested unless the policy names an objective"


def show_probe(console: Console, report: ProbeReport) -> None:
    """One line per knob, then notes and what is lacking."""
    if not report.proxies:
        line(console, NOTHING)
        return
    found = table(
        "device", "adapter", "knob", "current", "allowed", "takes effect", "cost", "progress"
    )
    for proxy in report.proxies:
        for place, knob in enumerate(proxy.knobs):
            adapter = with_transport(proxy.adapter, proxy.transport)
            first = (proxy.device, adapter) if place == 0 else ("", "")
            progress = (proxy.progress or NO_PROGRESS) if place == 0 else ""
            allowed, current = _allowed(knob), f"{text(knob.value)} {knob.unit}".strip()
            found.add_row(
                *first, knob.knob, current, allowed, knob.takes_effect, knob.cost, progress
            )
    console.print(found)
    stock = (proxy.adapter for proxy in report.proxies if proxy.transport == "stock")
    show_notes(console, report.notes, stock)
    transports = sorted({proxy.transport for proxy in report.proxies})
    line(console, f"transport: {', '.join(transports)}")
    show_lacks(console, ((proxy.device, proxy.lacks) for proxy in report.proxies))


def _allowed(knob: ProbedKnob) -> str:
    if knob.choices:
        return ", ".join(knob.choices)
    special = "".join(f"; {value} {meaning}" for value, meaning in knob.special.items())
    return f"{text(knob.minimum)} to {text(knob.maximum)}{special}"
