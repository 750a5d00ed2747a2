"""The dirty data of one bdi over a window: its own counters, or the host's where they can
stand in for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlproxy.adapter import Missing
from mlproxy.snapshot import Window

PAGE_KB = 4
MOSTLY = 0.9
"""A device that did this share of all writes is the one that the host's counters speak of."""

BUSY = 0.5
"""Share of a window that a device must be busy for its speed to show."""

LEAST_WRITTEN_KB = 1024.0

MIN_DIRTIED_KB_S = 1024.0
"""Who writes less than that will not fill any memory."""


@dataclass(frozen=True)
class Backlog:
    """Dirty data in KiB; `before` and `now` at the ends of the window, the limit the host's."""

    dirtied: float
    written: float
    before: float
    now: float
    threshold: float
    bandwidth_s: float | None


def backlog_of(window: Window) -> Backlog:
    """See the class. Raises: Missing where nobody can tell whose dirty data it is."""
    return _own(window) or _hosts(window)


def standing(values: Mapping[str, float]) -> tuple[float, float] | None:
    """(backlog, threshold) in KiB at one moment, from the bdi's own counters; None where they
    cannot be read."""
    names = ("bdi.writeback_kb", "bdi.reclaimable_kb", "bdi.host_thresh_kb")
    writeback, reclaimable, threshold = (values.get(name) for name in names)
    if writeback is None or reclaimable is None or not threshold:
        return None
    return writeback + reclaimable, threshold


def _own(window: Window) -> Backlog | None:
    before, after = (standing(each.values) for each in (window.before, window.after))
    dirtied, written = window.delta("bdi.dirtied_kb"), window.delta("bdi.written_kb")
    if before is None or after is None or dirtied is None or written is None:
        return None
    # The kernel's estimate is 0 while all that is dirty is being written.
    bandwidth_s = _speed(window) or window.gauge("bdi.bandwidth_kb_s") or None
    return Backlog(dirtied, written, before[0], after[0], after[1], bandwidth_s)


def _hosts(window: Window) -> Backlog:
    mine, all_writes = window.delta("disk.write_sectors"), window.delta("host.write_sectors")
    if mine is None or all_writes is None:
        raise Missing("no write counters for this device in /proc/diskstats")
    if not mine or mine < MOSTLY * all_writes:
        share = f"{mine / all_writes:.0%}" if all_writes else "none"
        raise Missing(
            f"its own dirty data (debugfs bdi/*/stats, root) cannot be read, and it did {share} "
            f"of the host's writes: the host's counters stand in from {MOSTLY:.0%} on"
        )
    dirtied, written = window.delta("vm.nr_dirtied"), window.delta("vm.nr_written")
    threshold = window.gauge("vm.nr_dirty_threshold")
    before, now = (_pages(each.values) for each in (window.before, window.after))
    if dirtied is None or written is None or before is None or now is None or not threshold:
        raise Missing("no nr_dirtied, nr_written, nr_dirty or nr_dirty_threshold in /proc/vmstat")
    pages = (dirtied, written, before, now, threshold)
    dirtied, written, before, now, threshold = (PAGE_KB * each for each in pages)
    return Backlog(dirtied, written, before, now, threshold, _speed(window))


def _pages(values: Mapping[str, float]) -> float | None:
    dirty, writing = values.get("vm.nr_dirty"), values.get("vm.nr_writeback")
    return None if dirty is None or writing is None else dirty + writing


def _speed(window: Window) -> float | None:
    """KiB per second that the device writes while it is busy; None where that does not show."""
    written_kb = (window.delta("disk.write_sectors") or 0.0) / 2
    busy_s = (window.delta("disk.io_ticks_ms") or 0.0) / 1e3
    if busy_s < BUSY * window.elapsed_s or written_kb < LEAST_WRITTEN_KB:
        return None
    return written_kb / busy_s
