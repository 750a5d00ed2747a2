"""Queues of requests at other parameters than those of `IOSCHED_TRAINING`: readers and writers
past the page cache and through it, alone and beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlproxy.lab.workload import (
    BUFFERED_WRITER,
    FSYNC_WRITER,
    Job,
    Workload,
    depth,
    direct_mixed,
    direct_reader,
    direct_writer,
    read_beside,
)


def beside(reader: Job, writer: Job, family: str = "read-beside-writer") -> Workload:
    """A reader beside a writer, named after what both do."""
    return Workload(f"{_named(reader)}+{_named(writer)}", family, (reader, writer))


def mixed(read_percent: int, bs: str, iodepth: int) -> Workload:
    """One job that does both."""
    job = direct_mixed(read_percent, bs, iodepth)
    return Workload(f"mixed-{read_percent}-{bs}-qd{iodepth}", "mixed", (job,))


def fsyncs(bs: str, every: int) -> Job:
    """A writer that waits for the disk at every how many writes."""
    return replace(FSYNC_WRITER, bs=bs, fsync=every)


def _named(job: Job) -> str:
    kind = "direct" if job.direct else "buffered"
    parts = [job.rw, kind, job.bs, f"qd{job.iodepth}"]
    parts += [f"fsync{job.fsync}"] if job.fsync else []
    parts += [job.rate] if job.rate else []
    return "-".join(parts)


def _alone(family: str, jobs: Sequence[Job]) -> tuple[Workload, ...]:
    return tuple(Workload(_named(job), family, (job,)) for job in jobs)


_WRITERS = (
    direct_writer("48k", 24),
    direct_writer("192k", 24),
    direct_writer("384k", 12),
    direct_writer("96k", 48, "randwrite"),
    direct_writer("12k", 24, "randwrite"),
)

_ALONE = ((3, "12k"), (12, "12k"), (48, "4k"), (6, "48k"))

_BETWEEN: tuple[Workload, ...] = (
    *(beside(direct_reader(1, "randread", "12k"), writer) for writer in _WRITERS),
    *(beside(direct_reader(3), writer) for writer in _WRITERS[:3]),
    *(beside(direct_reader(6, "randread", "24k"), writer) for writer in _WRITERS[1:4]),
    beside(direct_reader(1, "read", "48k"), direct_writer("192k", 12)),
    beside(direct_reader(24), direct_writer("192k", 24)),
    beside(direct_reader(), direct_writer("96k", 4)),
    beside(direct_reader(), replace(direct_writer("96k", 24), rate="6m")),
    beside(direct_reader(1, "randread", "12k"), BUFFERED_WRITER, "read-beside-buffered"),
    beside(direct_reader(6), BUFFERED_WRITER, "read-beside-buffered"),
    beside(direct_reader(24), BUFFERED_WRITER, "read-beside-buffered"),
    beside(
        direct_reader(), replace(BUFFERED_WRITER, rw="randwrite", bs="12k"), "read-beside-buffered"
    ),
    beside(direct_reader(), replace(BUFFERED_WRITER, rate="12m"), "read-beside-buffered"),
    beside(Job("reader", "read", "psync", "48k"), BUFFERED_WRITER, "read-beside-buffered"),
    *_alone("random-read", [direct_reader(qd, "randread", bs) for qd, bs in _ALONE]),
    *_alone("sequential", [direct_reader(3, "read", "96k"), direct_reader(12, "read", "48k")]),
    *_alone("writer", [direct_writer("24k", 12), direct_writer("12k", 12, "randwrite")]),
    *_alone("fsync", [fsyncs("12k", 1), fsyncs("4k", 6)]),
    beside(direct_reader(3), fsyncs("12k", 1), "fsync"),
    Workload("fsync-beside-writer", "fsync", (fsyncs("4k", 1), _WRITERS[1])),
    mixed(50, "4k", 24),
    mixed(90, "12k", 6),
    Workload("two-readers-qd1-qd12", "two-readers", (direct_reader(), direct_reader(12))),
    Workload(
        "two-readers-random-sequential",
        "two-readers",
        (direct_reader(), direct_reader(6, "read", "192k")),
    ),
)
"""Between the parameters that the generated matrix draws, none of them the same."""

IOSCHED_VARIANTS: tuple[Workload, ...] = (
    *(read_beside(bs, qd) for bs, qd in (("32k", 64), ("128k", 64), ("512k", 32), ("64k", 32))),
    *(depth(qd) for qd in (2, 16, 24)),
    Workload(
        "read-16k-beside-writer",
        "read-beside-writer",
        (direct_reader(1, "randread", "16k"), direct_writer("128k", 48)),
    ),
    Workload(
        "reads-qd4-beside-writer",
        "read-beside-writer",
        (direct_reader(4), direct_writer("128k", 32)),
    ),
    Workload(
        "sequential-beside-writer",
        "read-beside-writer",
        (direct_reader(1, "read", "64k"), direct_writer("128k", 32)),
    ),
    Workload("writer-64k-qd64", "writer", (direct_writer("64k", 64),)),
    Workload("buffered-writer", "writer", (BUFFERED_WRITER,)),
    Workload("fsync-writer", "fsync", (FSYNC_WRITER,)),
    Workload("read-beside-fsync", "fsync", (direct_reader(), FSYNC_WRITER)),
    *_BETWEEN,
)
