"""`mlproxy apply`: one decision after a short look, printed or put in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlproxy.cli.console import emit, note, out
from mlproxy.cli.findings import found_changes
from mlproxy.cli.look import look, report_of
from mlproxy.cli.options import LIVE, AsJson, Configs, Devices, For, Root, State, names_of
from mlproxy.cli.pause import require_unpaused
from mlproxy.cli.place import is_live, require_root, state_dir
from mlproxy.cli.restoring import put_back, restored_knobs
from mlproxy.cli.schema import ApplyReport
from mlproxy.cli.session import open_session
from mlproxy.cli.view_apply import show_apply
from mlproxy.cli.view_revert import show_restored
from mlproxy.errors import ConfigError
from mlproxy.registry import load_registry
from mlproxy.restore import Restored

DryRun = Annotated[bool, typer.Option("--dry-run", help="Observe, decide, print; write nothing.")]


def apply(
    dry_run: DryRun = False,
    seconds: For = None,
    config: Configs = None,
    devices: Devices = None,
    root: Root = LIVE,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Observe for 5 s, decide once, and hold the result in full (no slots).

    With --dry-run nothing is written and no privilege is needed. Without, what changed
    stays until `mlproxy revert`, or for as long as --for says.

    Example: mlproxy apply --dry-run

    Example: sudo mlproxy apply --for 10m --devices nvme0n1
    """
    only_looks = dry_run or not is_live(root)
    if only_looks and seconds is not None:
        raise ConfigError("--for keeps a change, and a dry run makes none; leave one of them out")
    names = names_of(devices)
    if only_looks:
        known = state_dir(state) if is_live(root) else None
        emit(_dry_run(root, config, names, known, as_json), as_json, show_apply)
        return
    require_root("apply")
    _apply(config, names, state_dir(state), seconds, as_json)


def _dry_run(
    root: Path,
    config: Sequence[Path] | None,
    names: Sequence[str],
    state: Path | None,
    quiet: bool,
) -> ApplyReport:
    session = open_session(root, config, names)
    windows, findings = look(session, quiet, state)
    rows = found_changes(findings, session.transport)
    return report_of(session, windows, rows, dry_run=True)


def _apply(
    config: Sequence[Path] | None,
    names: Sequence[str],
    state: Path,
    seconds: float | None,
    as_json: bool,
) -> None:
    from mlproxy.cli.act import hand, wait

    require_unpaused(state)
    recovered = restored_knobs(put_back(LIVE, state, load_registry().adapters))
    session = open_session(LIVE, config, names)
    windows, findings = look(session, as_json, state)
    rows = found_changes(findings, session.transport)
    with hand(LIVE, state) as doing:
        rows = tuple(doing.apply(findings, rows))
        emit(report_of(session, windows, rows, False, recovered), as_json, show_apply)
        if seconds is None:
            doing.keep()
        elif any(row.applied for row in rows):
            wait(seconds, as_json)
    _tell(doing.restored, as_json)
    if doing.error is not None:
        raise doing.error


def _tell(restored: Sequence[Restored], as_json: bool) -> None:
    if restored and not as_json:
        show_restored(out(), restored_knobs(restored))
    for each in restored if as_json else ():
        note(f"{each.proxy} {each.knob}: {each.outcome} ({each.baseline})")
