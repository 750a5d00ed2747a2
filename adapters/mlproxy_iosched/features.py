"""What a window says about the requests that a disk's queue holds."""

from __future__ import annotations

from mlproxy.features import FeatureSchema, feature
from mlproxy.snapshot import Window, ratio

DISKSTATS = "/proc/diskstats (Documentation/admin-guide/iostats.rst)"


class IoschedFeatures(FeatureSchema):
    """Features of one window of a disk's requests."""

    read_share: float = feature("1", DISKSTATS, "reads among all requests")
    read_depth: float = feature("requests", DISKSTATS, "reads in flight, mean over the window")
    write_depth: float = feature("requests", DISKSTATS, "writes in flight, mean over the window")
    utilisation: float = feature("1", DISKSTATS, "share of the window with I/O in flight")
    requests_s: float = feature("1/s", DISKSTATS, "requests completed")
    mb_s: float = feature("MB/s", DISKSTATS, "bytes moved either way")
    read_wait_ms: float | None = feature("ms", DISKSTATS, "time of a read", optional=True)
    write_wait_ms: float | None = feature("ms", DISKSTATS, "time of a write", optional=True)
    read_kb_per_request: float | None = feature("KiB", DISKSTATS, "size of a read", optional=True)
    write_kb_per_request: float | None = feature("KiB", DISKSTATS, "size of a write", optional=True)
    flush_share: float | None = feature("1", DISKSTATS, "cache flushes per write", optional=True)
    writeback_mb: float | None = feature(
        "MB", "/proc/vmstat", "pages under writeback: a buffered writer", optional=True
    )


def queue_features(window: Window) -> IoschedFeatures:
    """Features of a window that holds at least one request."""
    reads = window.delta("disk.read_ios") or 0.0
    writes = window.delta("disk.write_ios") or 0.0
    read_kb = (window.delta("disk.read_sectors") or 0.0) / 2
    write_kb = (window.delta("disk.write_sectors") or 0.0) / 2
    read_ms = window.delta("disk.read_ticks_ms") or 0.0
    write_ms = window.delta("disk.write_ticks_ms") or 0.0
    elapsed_ms = window.elapsed_s * 1e3
    writeback = window.gauge("vm.nr_writeback")
    return IoschedFeatures(
        read_share=reads / (reads + writes),
        read_depth=read_ms / elapsed_ms,
        write_depth=write_ms / elapsed_ms,
        utilisation=min((window.delta("disk.io_ticks_ms") or 0.0) / elapsed_ms, 1.0),
        requests_s=(reads + writes) / window.elapsed_s,
        mb_s=(read_kb + write_kb) * 1.024 / elapsed_ms,
        read_wait_ms=ratio(read_ms, reads),
        write_wait_ms=ratio(write_ms, writes),
        read_kb_per_request=ratio(read_kb, reads),
        write_kb_per_request=ratio(write_kb, writes),
        flush_share=ratio(window.delta("disk.flush_ios"), writes),
        writeback_mb=None if writeback is None else writeback * 4.096e-3,
    )
