"""`mlproxy revert`: put every baseline back that is ours to put back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlproxy.cli.console import emit
from mlproxy.cli.options import LIVE, AsJson, Root, State
from mlproxy.cli.place import mention_system_state, require_live, require_root, state_dir
from mlproxy.cli.restoring import put_back, restored_knobs
from mlproxy.cli.schema import RestoredKnob, RevertReport
from mlproxy.cli.view_revert import show_revert
from mlproxy.errors import Busy, ConfigError, WriteRefused
from mlproxy.journal import Journal
from mlproxy.registry import load_registry

Proxies = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PROXY...]", help="Only these, e.g. readahead.8:0.", show_default="all"
    ),
]


def revert(
    proxies: Proxies = None, state: State = None, root: Root = LIVE, as_json: AsJson = False
) -> None:
    """Put back every value that mlproxy changed, unless somebody else changed it since.

    Says what was put back, what was left and whose it is, and what was closed. Doing it
    twice changes nothing.

    Example: sudo mlproxy revert
    """
    require_live(root, "revert")
    mention_system_state(state, "revert")
    folder = state_dir(state)
    only = _chosen(folder, proxies) if proxies else None
    if Journal(folder).open_records():
        require_root("revert")
    restored = put_back(LIVE, folder, load_registry().adapters, include_kept=True, only=only)
    knobs = restored_knobs(restored)
    emit(RevertReport(state=str(folder), knobs=knobs), as_json, show_revert)
    _exit(knobs)


def _chosen(folder: Path, proxies: Sequence[str]) -> set[str]:
    """Proxies by id, or all of an adapter by its name. Raises: ConfigError."""
    have = {record.proxy for record in Journal(folder).open_records()}
    chosen: set[str] = set()
    for name in proxies:
        found = {proxy for proxy in have if name in (proxy, proxy.partition(".")[0])}
        if not found:
            known = ", ".join(sorted(have)) or "nothing"
            raise ConfigError(f"no open change of {name!r}; open: {known}")
        chosen |= found
    return chosen


def _exit(knobs: Sequence[RestoredKnob]) -> None:
    """What is still open is not a success."""
    outcomes = {each.outcome for each in knobs}
    if "busy" in outcomes:
        raise typer.Exit(Busy.exit_code)
    if "refused" in outcomes:
        raise typer.Exit(WriteRefused.exit_code)
