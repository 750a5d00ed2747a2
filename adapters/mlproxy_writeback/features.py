"""What a window says about the dirty data that a bdi holds."""

from __future__ import annotations

from mlproxy.features import FeatureSchema, feature
from mlproxy.snapshot import Window, ratio
from mlproxy_writeback.backlog import PAGE_KB, backlog_of

STATS = "debugfs bdi/*/stats (mm/backing-dev.c), or /proc/vmstat"
DISKSTATS = "/proc/diskstats (Documentation/admin-guide/iostats.rst)"
VMSTAT = "/proc/vmstat"
WHOLE = 1_000_000
"""max_ratio_fine counts in millionths of the host's dirty threshold."""


class WritebackFeatures(FeatureSchema):
    """Features of one window of a bdi's writes; shares rather than sizes, so that they carry
    from one host to another."""

    dirtied_share: float = feature("1", STATS, "dirtied among dirtied and written: 0.5 is steady")
    backlog_share: float = feature("1", STATS, "backlog over the host's dirty threshold")
    limit_used: float = feature("1", STATS, "backlog over the limit in force")
    growth: float = feature("1/s", STATS, "growth of the backlog, in thresholds per second")
    utilisation: float = feature("1", DISKSTATS, "share of the window with I/O in flight")
    threshold_s: float | None = feature(
        "s", STATS, "time that the device takes to write a full threshold", optional=True
    )
    drain_s: float | None = feature(
        "s", STATS, "time that the device takes to write the backlog", optional=True
    )
    bandwidth_mb_s: float | None = feature(
        "MB/s", DISKSTATS, "what the device writes while it is busy", optional=True
    )
    new_share: float | None = feature(
        "1", VMSTAT, "pages new to the page cache, not read, per page dirtied", optional=True
    )
    waiting: float | None = feature(
        "1", "/proc/pressure/io", "share of the window in which a task waited", optional=True
    )
    flush_share: float | None = feature("1", DISKSTATS, "cache flushes per write", optional=True)
    write_kb_per_request: float | None = feature(
        "KiB", DISKSTATS, "size of a write request", optional=True
    )


def writeback_features(window: Window, max_ratio_fine: float) -> WritebackFeatures:
    """Features of a window in which data was dirtied. Raises: Missing, see backlog_of."""
    seen = backlog_of(window)
    speed_s = seen.bandwidth_s
    writes = window.delta("disk.write_ios")
    write_kb = (window.delta("disk.write_sectors") or 0.0) / 2
    stalled_us_s = window.rate("psi.io.some_us")
    busy_ms = window.delta("disk.io_ticks_ms") or 0.0
    limit = seen.threshold * max(max_ratio_fine, 1.0) / WHOLE
    grown = max(seen.now - seen.before, 0.0)
    return WritebackFeatures(
        dirtied_share=seen.dirtied / max(seen.dirtied + seen.written, 1.0),
        backlog_share=seen.now / seen.threshold,
        limit_used=seen.now / limit,
        growth=grown / seen.threshold / window.elapsed_s,
        utilisation=min(busy_ms / 1e3 / window.elapsed_s, 1.0),
        threshold_s=ratio(seen.threshold, speed_s),
        drain_s=ratio(seen.now, speed_s),
        bandwidth_mb_s=None if speed_s is None else speed_s * 1.024e-3,
        new_share=new_share(window, seen.dirtied),
        waiting=None if stalled_us_s is None else min(stalled_us_s / 1e6, 1.0),
        flush_share=ratio(window.delta("disk.flush_ios"), writes),
        write_kb_per_request=ratio(write_kb, writes),
    )


def new_share(window: Window, dirtied_kb: float) -> float | None:
    """A writer that appends makes new pages, one that overwrites finds its own; what was
    evicted meanwhile was new once, and what was read is no writer's. For the whole host."""
    names = ("vm.nr_active_file", "vm.nr_inactive_file")
    gauges = [each.values.get(name) for each in (window.before, window.after) for name in names]
    evicted, read_kb = window.delta("vm.pgsteal_file"), window.delta("vm.pgpgin")
    known = [pages for pages in gauges if pages is not None]
    if len(known) < len(gauges) or evicted is None or read_kb is None or not dirtied_kb:
        return None
    grown = known[2] + known[3] - known[0] - known[1]
    new_kb = PAGE_KB * (grown + evicted) - read_kb
    return min(max(new_kb / dirtied_kb, 0.0), 1.0)
