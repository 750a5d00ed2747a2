"""The table of `mlproxy adapters`."""

from __future__ import annotations

from rich.console import Console

from mlproxy.cli.console import line, table
from mlproxy.cli.schema import AdaptersReport, ListedAdapter


def show_adapters(console: Console, report: AdaptersReport) -> None:
    """One row per adapter, then those that cannot be used, with why."""
    found = table("adapter", "version", "package", "object", "knobs", "model")
    for each in report.adapters:
        knobs = "\n".join(each.knobs)
        found.add_row(each.name, each.version, each.package, each.subject, knobs, _model(each))
    console.print(found)
    for name, why in report.broken.items():
        line(console, f"broken, skipped: {name}: {why}")


def _model(each: ListedAdapter) -> str:
    if each.model is None:
        return each.model_lacks
    metrics = (f"{name} {value:.4g}" for name, value in sorted(each.model.metrics.items()))
    facts = f"{each.model.sha256[:12]}: {each.model.rows} rows, {each.model.groups} groups"
    return "\n".join((facts, *metrics))
