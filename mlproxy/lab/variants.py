"""Variants of the training workloads: the same families at other parameters, so that a
model learns how gains change with them and its bounds are judged on neighbours."""

from __future__ import annotations

from dataclasses import replace

from mlproxy.lab.workload import (
    BUFFERED_WRITER,
    FSYNC_WRITER,
    Job,
    Workload,
    depth,
    direct_reader,
    direct_writer,
    one,
    read_beside,
    runs,
    streams,
    strided,
    zipf,
)

_RANDOM = Job("reader", "randread", "mmap")
_SEQUENTIAL = Job("reader", "read", "psync", "64k")
_RUNS = Job("reader", "randread:16", "mmap")


def _mmap_random(bs: str, numjobs: int = 1) -> Workload:
    job = replace(_RANDOM, bs=bs, numjobs=numjobs)
    return Workload(f"mmap-random-{bs}-x{numjobs}", "random", (job,))


READAHEAD_VARIANTS: tuple[Workload, ...] = (
    *(_mmap_random(bs) for bs in ("8k", "32k", "64k")),
    *(_mmap_random("4k", jobs) for jobs in (2, 8)),
    zipf(0.9),
    zipf(1.3),
    *(strided(skip) for skip in (4, 28, 124)),
    one("mmap-reverse-16k", "reverse", "read:-32k", bs="16k"),
    *(one(f"mmap-sequential-{bs}", "sequential", "read", bs=bs) for bs in ("16k", "1m")),
    streams(3),
    streams(2, "psync", "16k"),
    *(runs(blocks, engine) for engine in ("mmap", "psync") for blocks in (4, 16, 64, 256)),
    *(one(f"psync-sequential-{bs}", "sequential", "read", "psync", bs) for bs in ("16k", "256k")),
    *(one(f"psync-random-{bs}", "psync-random", "randread", "psync", bs) for bs in ("8k", "32k")),
    one("psync-random-128k", "psync-random", "randread", "psync", "128k"),
    Workload("psync-sequential+mmap-runs-16", "mixed", (_SEQUENTIAL, _RUNS)),
    Workload("mmap-random+runs-16", "mixed", (_RANDOM, _RUNS)),
    Workload("mmap-random+writer", "mixed", (_RANDOM, BUFFERED_WRITER)),
)

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
)
