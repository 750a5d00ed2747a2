"""Putting back what an earlier process left: for `revert`, and before anything starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.cli.schema import RestoredKnob
from mlproxy.disk import Disk
from mlproxy.journal import Journal
from mlproxy.recover import recover
from mlproxy.restore import Restored


def put_back(
    root: Path,
    state: Path,
    adapters: Mapping[str, Adapter],
    include_kept: bool = False,
    only: Collection[str] | None = None,
) -> list[Restored]:
    """Settle the open records of a state folder. Raises as `recover`."""
    disk = Disk()
    journal = Journal(state, disk)
    try:
        return recover(root, journal, disk, adapters, include_kept, only)
    finally:
        journal.shut()


def restored_knobs(lines: Iterable[Restored]) -> tuple[RestoredKnob, ...]:
    """The report's rows."""
    return tuple(
        RestoredKnob(
            proxy=each.proxy,
            knob=each.knob,
            outcome=str(each.outcome),
            found=each.found,
            baseline=each.baseline,
            why=each.why,
        )
        for each in lines
    )
