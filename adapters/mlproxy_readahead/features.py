"""What a window says about how a bdi is being read."""

from __future__ import annotations

from mlproxy.features import FeatureSchema, feature
from mlproxy.snapshot import Window, ratio

DISKSTATS = "/proc/diskstats (Documentation/admin-guide/iostats.rst)"
VMSTAT = "/proc/vmstat"
TRACE = "tracepoint block_rq_issue (mlproxy/transports/requests.py)"

MOST_FOREIGN = 0.5
"""Of the host's faults as many may be of others as others read. More than this share of what
the device itself read leaves open whose they are; else half of them are taken for its own."""


class ReadaheadFeatures(FeatureSchema):
    """Features of one window of a bdi's reads; ratios rather than rates, so that they
    carry from one device to another."""

    read_kb_per_request: float = feature("KiB", DISKSTATS, "size of a read request")
    window_share: float = feature(
        "1", DISKSTATS, "size of a read request over the readahead in force"
    )
    read_wait_ms: float = feature("ms", DISKSTATS, "time a read request took")
    read_depth: float = feature("requests", DISKSTATS, "reads in flight, mean over the window")
    read_mb_s: float = feature("MB/s", DISKSTATS, "bytes read from the device")
    utilisation: float = feature("1", DISKSTATS, "share of the window with I/O in flight")
    merged_share: float = feature("1", DISKSTATS, "reads merged into another before dispatch")
    write_share: float = feature("1", DISKSTATS, "writes among all bytes")
    major_faults_per_read: float | None = feature(
        "1", VMSTAT, "major faults per read request, where others read less", optional=True
    )
    major_faults_per_mb: float | None = feature(
        "1/MB", VMSTAT, "major faults per MB read, where others read less", optional=True
    )
    refault_share: float | None = feature(
        "1", VMSTAT, "pages read that had been evicted before", optional=True
    )
    run_kb: float | None = feature(
        "KiB", TRACE, "read in one go, until the next request lies elsewhere", optional=True
    )
    forward_share: float | None = feature(
        "1", TRACE, "runs that begin shortly after the end of another", optional=True
    )
    forward_gap_kb: float | None = feature(
        "KiB", TRACE, "what such a run left out, zero without one", optional=True
    )
    backward_share: float | None = feature(
        "1", TRACE, "runs that end where another began", optional=True
    )
    switch_share: float | None = feature(
        "1", TRACE, "reads that go on with a run other than the last read's", optional=True
    )


def read_features(window: Window, read_ahead_kb: float) -> ReadaheadFeatures:
    """Features of a window that holds at least one read."""
    reads = window.delta("disk.read_ios") or 0.0
    read_kb = (window.delta("disk.read_sectors") or 0.0) / 2
    write_kb = (window.delta("disk.write_sectors") or 0.0) / 2
    ticks_ms = window.delta("disk.read_ticks_ms") or 0.0
    merges = window.delta("disk.read_merges") or 0.0
    elapsed_ms = window.elapsed_s * 1e3
    faults = _own(window, "vm.pgmajfault", reads, window.delta("host.read_ios"))
    pages, all_kb = read_kb / 4, (window.delta("host.read_sectors") or 0.0) / 2
    refaults = _own(window, "vm.workingset_refault_file", pages, all_kb / 4)
    per_request_kb = read_kb / reads
    runs = window.delta("trace.runs")
    return ReadaheadFeatures(
        read_kb_per_request=per_request_kb,
        window_share=per_request_kb / max(read_ahead_kb, 4.0),
        read_wait_ms=ticks_ms / reads,
        read_depth=ticks_ms / elapsed_ms,
        read_mb_s=read_kb * 1.024 / elapsed_ms,
        utilisation=min((window.delta("disk.io_ticks_ms") or 0.0) / elapsed_ms, 1.0),
        merged_share=merges / (reads + merges),
        write_share=write_kb / max(read_kb + write_kb, 1.0),
        major_faults_per_read=ratio(faults, reads),
        major_faults_per_mb=ratio(faults, read_kb * 1.024e-3),
        refault_share=ratio(refaults, pages),
        run_kb=_run_kb(window, runs),
        forward_share=ratio(window.delta("trace.forward"), runs),
        forward_gap_kb=_gap_kb(window),
        backward_share=ratio(window.delta("trace.backward"), runs),
        switch_share=ratio(window.delta("trace.switches"), window.delta("trace.reads")),
    )


def _run_kb(window: Window, runs: float | None) -> float | None:
    """Mean length of a run; all that was seen where no run ended."""
    seen_kb = window.delta("trace.read_kb")
    return seen_kb / max(runs, 1.0) if seen_kb and runs is not None else None


def _gap_kb(window: Window) -> float | None:
    """Mean of the gaps that forward runs left out."""
    forward, gap_kb = window.delta("trace.forward"), window.delta("trace.gap_kb")
    return None if forward is None or gap_kb is None else gap_kb / max(forward, 1.0)


def _own(window: Window, counter: str, mine: float, everybodys: float | None) -> float | None:
    """This device's part of a host-wide counter of things that a read may cause once: by what
    it read itself and what everybody read; None where that leaves too much open."""
    total = window.delta(counter)
    if total is None:
        return None
    foreign = min(total, max((everybodys or 0.0) - mine, 0.0))
    return total - foreign / 2 if foreign <= MOST_FOREIGN * mine else None
