"""The table of `mlproxy apply`, and below it what was or would be done."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from mlproxy.cli.console import line, table
from mlproxy.cli.schema import ApplyReport, FoundChange
from mlproxy.cli.view_common import gain_text, show_lacks, show_notes, text, with_transport
from mlproxy.cli.view_revert import show_restored


def show_apply(console: Console, report: ApplyReport) -> None:
    """Table, notes, shell lines, what is lacking, and one closing sentence."""
    if report.recovered:
        line(console, "An earlier mlproxy ended without restoring; now:")
        show_restored(console, report.recovered)
    if report.findings:
        console.print(_table(report.findings))
        show_notes(console, report.notes, (found.adapter for found in report.findings))
        _show_transports(console, report.findings)
        _show_changes(console, report)
        show_lacks(console, ((found.device, found.lacks) for found in report.findings))
        line(console)
    line(console, report.summary)


def _table(findings: Iterable[FoundChange]) -> object:
    gain = "predicted gain\n(at least)"
    found = table("device", "adapter", "knob", "current", "proposed", gain, "verdict", "reason")
    for each in findings:
        verdict = f"{each.verdict} ({each.rule})" if each.rule else "no recommendation"
        found.add_row(
            each.device,
            with_transport(each.adapter, each.transport),
            each.knob or "\n".join(each.setting) or "-",
            text(each.current) if each.knob else "\n".join(map(text, each.setting.values())) or "-",
            text(each.proposed),
            gain_text(each.predicted_gain, each.predicted_lower),
            verdict,
            each.reason,
        )
    return found


def _show_transports(console: Console, findings: Iterable[FoundChange]) -> None:
    """A lease ends with its agent, so what `apply` leaves behind cannot be one."""
    if any(found.transport == "kernel" for found in findings):
        text = "kernel: apply writes the knob's own file, to hold a value in full without an agent"
        line(console, f"{text}; `mlproxy run` recommends to the kernel, which reaches open files")


def _show_changes(console: Console, report: ApplyReport) -> None:
    for each in report.findings:
        if each.verdict != "apply":
            continue
        line(console)
        what = f"{each.device}: {each.knob} {each.current} to {each.proposed}"
        line(console, f"{_did(report, each)} {what} ({each.id}): {each.why}")
        for command in each.do:
            line(console, f"  do    {command}")
        for command in each.undo:
            line(console, f"  undo  {command}")


def _did(report: ApplyReport, each: FoundChange) -> str:
    if report.dry_run:
        return "Would change"
    return "Changed" if each.applied else f"Could not change ({each.trouble})"
