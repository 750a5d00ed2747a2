"""Families of queues for the I/O scheduler: readers and writers, their parameters drawn.

What is recorded for training all the same is told apart by recorded.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlproxy.lab.matrix.draw import Draw
from mlproxy.lab.matrix.generate import Family
from mlproxy.lab.workload import (
    BUFFERED_WRITER,
    FSYNC_WRITER,
    Job,
    direct_mixed,
    direct_reader,
    direct_writer,
)

_DEPTHS = (1, 1, 2, 4, 8, 16)
"""Readers that wait for each read are what most programs are."""


def _random_reader(draw: Draw) -> Job:
    bs = draw.one_of("bs", ("4k", "8k", "16k", "32k"))
    return direct_reader(draw.one_of("qd", _DEPTHS), "randread", bs)


def _writer(draw: Draw) -> Job:
    bs = draw.one_of("writer-bs", ("16k", "32k", "64k", "128k", "256k", "512k"))
    rw = draw.one_of("writer-rw", ("write", "write", "randwrite"))
    return direct_writer(bs, draw.one_of("writer-qd", (8, 16, 32, 64)), rw)


def _beside_writer(draw: Draw) -> tuple[Job, ...]:
    return _random_reader(draw), _writer(draw)


def _scan_beside_writer(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("bs", ("32k", "64k", "128k"))
    return direct_reader(draw.one_of("qd", (1, 2, 4)), "read", bs), _writer(draw)


def _beside_buffered(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("writer-bs", ("16k", "64k", "256k"))
    rw = draw.one_of("writer-rw", ("write", "randwrite"))
    return _random_reader(draw), replace(BUFFERED_WRITER, bs=bs, rw=rw)


def _beside_fsync(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("writer-bs", ("4k", "8k", "16k"))
    return _random_reader(draw), replace(FSYNC_WRITER, bs=bs, fsync=draw.one_of("every", (1, 4, 8)))


def _random(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("bs", ("4k", "8k", "16k", "32k", "64k"))
    return (direct_reader(draw.one_of("qd", (1, 2, 4, 8, 16, 32, 64)), "randread", bs),)


def _sequential(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("bs", ("16k", "32k", "64k", "128k", "256k"))
    return (direct_reader(draw.one_of("qd", (1, 2, 4, 8)), "read", bs),)


def _mixed(draw: Draw) -> tuple[Job, ...]:
    bs, iodepth = draw.one_of("bs", ("4k", "8k", "16k")), draw.one_of("qd", (2, 4, 8, 16, 32))
    return (direct_mixed(draw.one_of("reads", (30, 60, 70, 80)), bs, iodepth),)


QUEUE_FAMILIES: Mapping[str, Family] = {
    "read-beside-writer": _beside_writer,
    "scan-beside-writer": _scan_beside_writer,
    "read-beside-buffered": _beside_buffered,
    "read-beside-fsync": _beside_fsync,
    "random-read": _random,
    "sequential": _sequential,
    "mixed": _mixed,
}
