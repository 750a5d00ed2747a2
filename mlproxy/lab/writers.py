"""Workloads that leave dirty data behind: who streams, who bursts, who overwrites.

They write files of their own that do not exist before. Sizes of a burst, of what is
overwritten, and rates are given in seconds of the device's writing, so that they mean the
same on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.lab.workload import Job, Workload

FRESH = (
    ("allow_file_create", "1"),
    ("overwrite", "0"),
    ("fallocate", "none"),
    ("invalidate", "0"),  # else fio starts writeback each time that it comes round
)
LARGE_MB = 8000
"""More than any of them writes before it is over."""


@dataclass(frozen=True)
class Writers:
    """A workload with how long it has to run until it shows itself."""

    workload: Workload
    runtime_s: float = 8.0


def is_burst(job: Job) -> bool:
    """True for a writer that thinks between its bursts."""
    return any(name == "thinktime" for name, _ in job.extra)


def is_stream(job: Job) -> bool:
    """True for a writer that only makes new pages and never stops."""
    return job.size_mb == LARGE_MB and not is_burst(job)


def stream(bs: str = "1m", rw: str = "write", rate_mb_s: float = 0.0, fsync: int = 0) -> Job:
    """A writer that only makes new pages, as fast as it can unless it has a rate."""
    rate = f"{round(rate_mb_s * 1024)}k" if rate_mb_s else ""
    return Job("writer", rw, "psync", bs, size_mb=LARGE_MB, rate=rate, fsync=fsync, extra=FRESH)


def burst(size_mb: float, pause_s: float) -> Job:
    """A writer that writes at once and then thinks."""
    thinks = (
        ("thinktime", str(round(pause_s * 1e6))),
        ("thinktime_blocks", str(max(round(size_mb), 1))),
    )
    return Job("writer", "write", "psync", "1m", size_mb=LARGE_MB, extra=FRESH + thinks)


def overwrite(size_mb: float, bs: str = "1m", rw: str = "write") -> Job:
    """A writer that writes the same file over and over."""
    return Job("writer", rw, "psync", bs, size_mb=max(round(size_mb), 1), extra=FRESH)


LOG = Job("writer", "randwrite", "psync", "4k", size_mb=64, fsync=1, extra=FRESH)
"""Somebody else who needs every write on the disk."""


def writers(bandwidth_mb_s: float, threshold_s: float) -> tuple[Writers, ...]:
    """The list for a device and for the time that it takes to write the host's threshold."""
    mb, full = bandwidth_mb_s, bandwidth_mb_s * threshold_s
    fills = 8.0 if full < 600 else 13.0

    def one(name: str, family: str, *jobs: Job, seconds: float = 8.0) -> Writers:
        return Writers(Workload(name, family, jobs), seconds)

    found = [
        one("stream", "stream", stream(), seconds=fills),
        one("stream-x2", "stream", stream(), stream("128k"), seconds=fills),
        one("stream-random", "stream", stream("64k", "randwrite"), seconds=fills),
        one("stream-half", "stream", stream("128k", rate_mb_s=mb / 2)),
        one("stream-fsync", "stream", stream(fsync=16)),
        one("stream-beside-log", "mixed", stream(), LOG, seconds=fills),
        one("log", "log", LOG, seconds=5.0),
        one("burst-2s", "burst", burst(2 * mb, 2.5)),
        one("burst-8s", "burst", burst(8 * mb, 10.0)),
        *(one(f"overwrite-{s}s", "overwrite", overwrite(s * mb), seconds=10.0) for s in (3, 8)),
        one("overwrite-random", "overwrite", overwrite(6 * mb, "16k", "randwrite"), seconds=10.0),
    ]
    if threshold_s <= 30:  # a writer that is only a little too fast fills no larger one in time
        found += [
            one("stream-5x", "stream", stream("128k", rate_mb_s=5 * mb)),
            one("stream-2x", "stream", stream("128k", rate_mb_s=2 * mb), seconds=threshold_s),
        ]
    else:
        found += [
            one("burst-30s", "burst", burst(30 * mb, 60.0)),
            one("overwrite-large", "overwrite", overwrite(full / 4), seconds=10.0),
        ]
    return tuple(found)
