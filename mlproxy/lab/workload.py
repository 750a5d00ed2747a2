"""Workloads: what runs on the test bed, declared as data, and the training lists.

All workloads share a few files that the bed's memory cgroup cannot hold in its page cache;
writers overwrite files of their own. Together they fit a disk of 3000 MiB. fio.py runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

from mlproxy.errors import LabError

Role = Literal["reader", "writer"]
Engine = Literal["mmap", "psync", "libaio"]

FILE_MB = {"read": 720, "stream": 90, "write": 320}
FILES = {"read": 2, "stream": 8, "write": 2}


@dataclass(frozen=True)
class Job:
    """One fio job: `numjobs` processes that read or write one file, at random if several.

    rw is fio's own word, with its modifier ("randread:32" draws a new place every 32 blocks,
    "read:12k" strides, "read:-8k" with bs 4k goes backwards). bs is fio's ("4k"); size_mb is
    the part of the file, from its start, in MiB (0: all of it); fsync is every how many writes
    (0: never); rate is fio's limit in bytes per second ("2m", "" for none); extra holds
    further fio options. Raises LabError for sequential processes on one file: they would read
    the same pages, and fio's mmap engine ignores an offset that would keep them apart.
    """

    role: Role
    rw: str
    engine: Engine = "psync"
    bs: str = "4k"
    iodepth: int = 1
    numjobs: int = 1
    size_mb: int = 0
    direct: bool = False
    fsync: int = 0
    rate: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.numjobs > 1 and not self.rw.startswith("rand"):
            raise LabError(f"{self.numjobs} processes of rw={self.rw}: use as many jobs instead")


@dataclass(frozen=True)
class Workload:
    """Jobs that run at once under one name; `family` groups workloads that behave alike.

    Raises LabError when there are fewer files than jobs.
    """

    name: str
    family: str
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        for name in self.files():
            stem, number = name.split(".")
            if int(number) >= FILES[stem]:
                raise LabError(f"workload {self.name!r}: there are {FILES[stem]} {stem} files")

    def files(self) -> tuple[str, ...]:
        """The file name of each job, in order: no two jobs share one.

        The few read files are large; more readers than those have the stream files, which are
        larger than the memory cgroup only together.
        """
        readers = sum(job.role == "reader" for job in self.jobs)
        stems = {"reader": "read" if readers <= FILES["read"] else "stream", "writer": "write"}
        numbers = {"reader": count(), "writer": count()}
        return tuple(f"{stems[job.role]}.{next(numbers[job.role])}" for job in self.jobs)


def file_mb(name: str) -> int:
    """Size in MiB of a workload file."""
    return FILE_MB[name.split(".")[0]]


def one(name: str, family: str, rw: str, engine: Engine = "mmap", bs: str = "4k") -> Workload:
    """A workload of a single buffered reader."""
    return Workload(name, family, (Job("reader", rw, engine, bs),))


def streams(number: int, engine: Engine = "mmap", bs: str = "4k") -> Workload:
    """`number` sequential readers at once, each of its own file."""
    job = Job("reader", "read", engine, bs)
    return Workload(f"{engine}-streams-{number}-{bs}", "streams", (job,) * number)


def runs(blocks: int, engine: Engine = "mmap") -> Workload:
    """Short sequential runs of `blocks` 4 KiB blocks at random places."""
    return one(f"{engine}-runs-{blocks}", "runs", f"randread:{blocks}", engine)


def zipf(theta: float) -> Workload:
    """Random mmap reads of a skewed popularity; theta as in fio's random_distribution.

    Raises LabError at 1.0, which fio cannot draw from.
    """
    if theta == 1.0:
        raise LabError("zipf 1.0: fio needs a theta other than 1.0")
    job = Job("reader", "randread", "mmap", extra=(("random_distribution", f"zipf:{theta}"),))
    return Workload(f"mmap-zipf-{theta}", "random", (job,))


def strided(skip_kb: int) -> Workload:
    """One 4 KiB block, then skip_kb KiB left out, and so on to the end of the file."""
    return one(f"mmap-strided-{skip_kb}k", "strided", f"read:{skip_kb}k")


_MMAP_RANDOM = Job("reader", "randread", "mmap")
_MMAP_SEQUENTIAL = Job("reader", "read", "mmap", "64k")

TRAINING: tuple[Workload, ...] = (
    one("mmap-random-4k", "random", "randread"),
    one("mmap-random-16k", "random", "randread", bs="16k"),
    zipf(1.1),
    Workload("mmap-random-4k-x4", "random", (replace(_MMAP_RANDOM, numjobs=4),)),
    strided(12),
    strided(60),
    one("mmap-reverse-4k", "reverse", "read:-8k"),
    one("mmap-sequential-4k", "sequential", "read"),
    one("mmap-sequential-64k", "sequential", "read", bs="64k"),
    streams(2),
    streams(4),
    streams(8),
    streams(4, "psync", "64k"),
    *(runs(blocks, engine) for engine in ("mmap", "psync") for blocks in (8, 32, 128)),
    *(one(f"psync-sequential-{bs}", "sequential", "read", "psync", bs) for bs in ("4k", "1m")),
    one("psync-sequential-64k", "sequential", "read", "psync", "64k"),
    *(one(f"psync-random-{bs}", "psync-random", "randread", "psync", bs) for bs in ("4k", "16k")),
    one("psync-random-64k", "psync-random", "randread", "psync", "64k"),
    Workload(
        "libaio-random-4k-qd32",
        "direct",
        (Job("reader", "randread", "libaio", iodepth=32, direct=True),),
    ),
    Workload("mmap-sequential+random", "mixed", (_MMAP_SEQUENTIAL, _MMAP_RANDOM)),
    Workload(
        "psync-sequential+mmap-random",
        "mixed",
        (Job("reader", "read", "psync", "64k"), _MMAP_RANDOM),
    ),
)


def direct_reader(iodepth: int = 1, rw: str = "randread", bs: str = "4k") -> Job:
    """A reader past the page cache; synchronous at depth 1."""
    engine: Engine = "psync" if iodepth == 1 else "libaio"
    return Job("reader", rw, engine, bs, iodepth, direct=True)


def direct_writer(bs: str, iodepth: int, rw: str = "write") -> Job:
    """An asynchronous writer past the page cache."""
    return Job("writer", rw, "libaio", bs, iodepth, direct=True)


def read_beside(bs: str, iodepth: int) -> Workload:
    """Synchronous 4 KiB reads beside an asynchronous direct writer."""
    jobs = (direct_reader(), direct_writer(bs, iodepth))
    return Workload(f"read-beside-writer-{bs}-qd{iodepth}", "read-beside-writer", jobs)


def depth(iodepth: int) -> Workload:
    """Random 4 KiB direct reads alone, iodepth at once."""
    return Workload(f"random-read-qd{iodepth}", "random-read", (direct_reader(iodepth),))


BUFFERED_WRITER = Job("writer", "write", "psync", "128k")
FSYNC_WRITER = Job("writer", "randwrite", "psync", "4k", fsync=1)


def direct_mixed(read_percent: int, bs: str, iodepth: int) -> Job:
    """Reads and writes at random places past the page cache."""
    extra = (("rwmixread", str(read_percent)),)
    return Job("writer", "randrw", "libaio", bs, iodepth, direct=True, extra=extra)


IOSCHED_TRAINING: tuple[Workload, ...] = (
    *(
        read_beside(bs, qd)
        for bs, qd in (("64k", 16), ("64k", 64), ("128k", 16), ("128k", 32), ("256k", 32))
    ),
    read_beside("256k", 64),
    *(depth(qd) for qd in (1, 4, 8, 32, 64)),
    Workload("writer-128k-qd32", "writer", (direct_writer("128k", 32),)),
    Workload("random-writer-4k-qd32", "writer", (direct_writer("4k", 32, "randwrite"),)),
    Workload("read-beside-buffered", "read-beside-buffered", (direct_reader(), BUFFERED_WRITER)),
    Workload("fsync-beside-buffered", "fsync", (FSYNC_WRITER, BUFFERED_WRITER)),
    Workload("sequential-read-128k", "sequential", (direct_reader(1, "read", "128k"),)),
    Workload("sequential-read-buffered", "sequential", (Job("reader", "read", "psync", "128k"),)),
    Workload("mixed-70-30-qd16", "mixed", (direct_mixed(70, "4k", 16),)),
    Workload("two-readers-qd1-qd32", "two-readers", (direct_reader(), direct_reader(32))),
)


def by_name(workloads: Sequence[Workload], name: str) -> Workload:
    """The workload called `name`; LabError lists the names there are."""
    for workload in workloads:
        if workload.name == name:
            return workload
    names = ", ".join(workload.name for workload in workloads)
    raise LabError(f"no workload {name!r}; there are: {names}")
