"""Records of a ring: one array, whatever lies between the samples."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.perf_records import SAMPLE, layout_of, records_in

FORMAT = """
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:sector_t sector;	offset:8;	size:8;	signed:0;
	field:char rwbs[10];	offset:16;	size:10;	signed:0;
"""
LAYOUT = layout_of(FORMAT, {"sector": "<u8", "rwbs": ("u1", (2,))})

Record = tuple[int, int, int, int]  # kind, time, sector, padding


def packed(record: Record) -> bytes:
    kind, time_ns, sector, padding = record
    raw = struct.pack("<QQ2s", 0, sector, b"RA") + bytes(6 + 8 * padding)
    body = struct.pack("<QI", time_ns, len(raw)) + raw
    return struct.pack("<IHH", kind, 2, 8 + len(body)) + body


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([SAMPLE, SAMPLE, SAMPLE, 2]),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=8,
)


@given(RECORDS)
def test_samples_come_in_order_whatever_lies_between_them(records: list[Record]) -> None:
    found = records_in(b"".join(map(packed, records)), LAYOUT)
    kept = [record for record in records if record[0] == SAMPLE]
    assert found["time_ns"].tolist() == [time_ns for _, time_ns, _, _ in kept]
    assert found["sector"].tolist() == [sector for _, _, sector, _ in kept]
    assert (found["rwbs"] == list(b"RA")).all()


def test_records_of_one_size_are_not_copied() -> None:
    data = b"".join(packed((SAMPLE, number, number, 0)) for number in range(4))
    assert np.shares_memory(records_in(data, LAYOUT), np.frombuffer(data, np.uint8))


def test_sizes_that_differ_are_seen_where_the_length_does_not_tell() -> None:
    records = [(SAMPLE, 0, 0, 0), *((SAMPLE, n, n, 1) for n in range(1, 12))]
    data = b"".join(map(packed, records))
    assert len(data) % len(packed(records[0])) == 0
    assert records_in(data, LAYOUT)["sector"].tolist() == list(range(12))


def test_a_record_that_says_nothing_of_its_size_does_not_hang() -> None:
    data = struct.pack("<IHH", 2, 0, 0) + packed((SAMPLE, 5, 6, 0))
    assert records_in(data, LAYOUT)["sector"].tolist() == [6]


def test_a_field_that_the_tracepoint_lacks_is_named() -> None:
    with pytest.raises(KeyError, match="nr_sector"):
        layout_of(FORMAT, {"nr_sector": "<u4"})
