"""Variants of the training workloads: the same families at other parameters, so that a
model learns how gains change with them and its bounds are judged on neighbours."""

from __future__ import annotations

from dataclasses import replace

from mlproxy.lab.workload import (
    BUFFERED_WRITER,
    Engine,
    Job,
    Workload,
    one,
    runs,
    streams,
    strided,
    zipf,
)

_RANDOM = Job("reader", "randread", "mmap")
_SEQUENTIAL = Job("reader", "read", "psync", "64k")
_RUNS = Job("reader", "randread:16", "mmap")


def _random(bs: str, numjobs: int = 1, engine: Engine = "mmap") -> Workload:
    job = replace(_RANDOM, engine=engine, bs=bs, numjobs=numjobs)
    family = "random" if engine == "mmap" else f"{engine}-random"
    return Workload(f"{engine}-random-{bs}-x{numjobs}", family, (job,))


def _zipf(theta: float, bs: str, numjobs: int = 1) -> Workload:
    (job,) = zipf(theta).jobs
    name = f"mmap-zipf-{theta}-{bs}-x{numjobs}"
    return Workload(name, "random", (replace(job, bs=bs, numjobs=numjobs),))


def _strided(bs_kb: int, skip_kb: int, engine: Engine = "mmap") -> Workload:
    name = f"{engine}-strided-{bs_kb}k-{skip_kb}k"
    return one(name, "strided", f"read:{skip_kb}k", engine, f"{bs_kb}k")


def _reverse(bs_kb: int, engine: Engine = "mmap") -> Workload:
    return one(f"{engine}-reverse-{bs_kb}k", "reverse", f"read:-{2 * bs_kb}k", engine, f"{bs_kb}k")


def _scan_beside(engine: Engine, bs: str, rw: str = "randread") -> Workload:
    other = replace(_RANDOM, rw=rw, bs=bs)
    name = f"{engine}-sequential+mmap-{rw.replace(':', '.')}-{bs}"
    return Workload(name, "mixed", (replace(_SEQUENTIAL, engine=engine), other))


def _beside_writer(rw: str, engine: Engine, bs: str, rate: str) -> Workload:
    writer = Job("writer", "randwrite", "psync", "16k", rate=rate)
    name = f"{engine}-{rw.replace(':', '.')}-{bs}+writer-{rate}"
    return Workload(name, "beside-writer", (Job("reader", rw, engine, bs), writer))


_BETWEEN: tuple[Workload, ...] = (
    *(_random(bs, jobs) for bs, jobs in (("12k", 1), ("24k", 1), ("48k", 1), ("96k", 1))),
    *(_random(bs, jobs) for bs, jobs in (("4k", 3), ("12k", 3), ("12k", 6), ("24k", 3))),
    *(_random(bs, jobs) for bs, jobs in (("48k", 3), ("48k", 6))),
    *(_random(bs, jobs, "psync") for bs, jobs in (("4k", 3), ("12k", 6), ("24k", 3), ("48k", 6))),
    *(_zipf(theta, bs, jobs) for theta, bs, jobs in ((0.7, "12k", 1), (1.05, "4k", 3))),
    _zipf(1.2, "12k", 3),
    *(_strided(bs, skip) for bs, skip in ((4, 20), (4, 92), (12, 12), (12, 60), (12, 252))),
    *(_strided(bs, skip, "psync") for bs, skip in ((4, 8), (4, 20), (4, 92), (12, 36), (12, 252))),
    *(_reverse(bs) for bs in (12, 24, 48)),
    *(_reverse(bs, "psync") for bs in (4, 12, 24, 48)),
    *(streams(number, "mmap", bs) for number, bs in ((3, "12k"), (5, "4k"), (6, "24k"))),
    streams(7, "mmap", "48k"),
    *(streams(number, "psync", bs) for number, bs in ((3, "4k"), (5, "12k"), (6, "4k"))),
    streams(8, "psync", "24k"),
    *(runs(blocks) for blocks in (6, 10, 20, 28, 40, 80, 160)),
    *(runs(blocks, "psync") for blocks in (6, 20, 40, 160)),
    _scan_beside("mmap", "12k"),
    _scan_beside("mmap", "4k", "randread:40"),
    _scan_beside("psync", "12k"),
    _scan_beside("psync", "4k", "randread:40"),
    *(_beside_writer("randread", "mmap", bs, rate) for bs, rate in (("4k", "3m"), ("12k", "6m"))),
    _beside_writer("read", "mmap", "12k", "3m"),
    _beside_writer("randread:20", "mmap", "4k", "3m"),
    _beside_writer("read", "psync", "4k", "6m"),
    _beside_writer("randread:20", "psync", "12k", "1500k"),
    _beside_writer("randread", "psync", "12k", "3m"),
)
"""Between the parameters that the generated matrix draws, none of them the same."""


READAHEAD_VARIANTS: tuple[Workload, ...] = (
    *(_random(bs) for bs in ("8k", "32k", "64k")),
    *(_random("4k", jobs) for jobs in (2, 8)),
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
    *_BETWEEN,
)
