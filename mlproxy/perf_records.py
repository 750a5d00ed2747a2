"""The records of a perf ring as one structured array, without a loop over them.

A record is a struct perf_event_header (type, misc, size), and of a sample with
PERF_SAMPLE_TIME | PERF_SAMPLE_RAW the time, the length of the raw data and the raw data:
the fields of the tracepoint as its `format` file places them (perf_event_open(2)).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layout = np.dtype[np.void]
Records = NDArray[np.void]

SAMPLE = 9
RAW_AT = 20
TIME = "time_ns"
_HEADER = {"kind": ("<u4", 0), "size": ("<u2", 6), TIME: ("<u8", 8)}
_FIELD = re.compile(r"field:.*?(\w+)(?:\[[^\]]*\])?;\s*offset:(\d+);")


def layout_of(text: str, fields: Mapping[str, Any]) -> Layout:
    """Layout of a record, from the tracepoint's `format` file: `kind`, `size`, `time_ns` and
    the fields asked for, each with its numpy type. KeyError: the tracepoint has no such field.
    """
    offsets = {found[1]: int(found[2]) for found in _FIELD.finditer(text)}
    places = _HEADER | {name: (kind, RAW_AT + offsets[name]) for name, kind in fields.items()}
    kinds = [np.dtype(kind) for kind, _ in places.values()]
    starts = [start for _, start in places.values()]
    length = max(start + kind.itemsize for start, kind in zip(starts, kinds, strict=True))
    return np.dtype(
        {"names": list(places), "formats": kinds, "offsets": starts, "itemsize": length}
    )


def records_in(data: bytes, layout: Layout) -> Records:
    """The samples among the records, in order; a view of `data` where all are of one size."""
    size = int.from_bytes(data[6:8], "little")
    if size >= layout.itemsize and len(data) % size == 0:
        records = np.ndarray((len(data) // size,), layout, data, strides=(size,))
        if ((records["kind"] == SAMPLE) & (records["size"] == size)).all():
            return records
    samples = list(_samples(data, layout.itemsize))
    return np.ndarray((len(samples),), layout, b"".join(samples))


def _samples(data: bytes, length: int) -> Iterator[bytes]:
    """The first `length` bytes of each sample among records of any kind and size."""
    at = 0
    while at + 8 <= len(data):
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if kind == SAMPLE:
            yield data[at : at + size][:length].ljust(length, b"\0")
        at += max(size, 8)
