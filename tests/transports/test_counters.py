"""Counter files that are parsed only where they changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlproxy.parse import parse_diskstats
from mlproxy.transports.counters import DiskTable, HostTotal

DISKS = st.dictionaries(st.integers(0, 5), st.integers(0, 3), max_size=5)


def diskstats(reads: dict[int, int]) -> str:
    return "".join(
        f"   8 {minor:7d} sd{minor} {count} 0 {count * 8} 0 0 0 0 0 0 0 0\n"
        for minor, count in reads.items()
    )


@given(states=st.lists(DISKS, max_size=8), watched=st.sets(st.integers(0, 5)))
def test_patched_rows_and_sums_equal_a_fresh_parse(
    states: list[dict[int, int]], watched: set[int]
) -> None:
    table, total = DiskTable(), HostTotal()
    total.choose([f"8:{minor}" for minor in watched])
    for reads in states:
        table.update(diskstats(reads))
        assert table.rows == parse_diskstats(diskstats(reads))
        counted = [count for minor, count in reads.items() if minor in watched]
        expected = float(sum(counted)) if counted else None
        assert total.update(table).get("host.read_ios") == expected


def test_an_equal_row_stays_the_same_object() -> None:
    table = DiskTable()
    table.update(diskstats({1: 5, 2: 6}))
    before = table.rows["8:1"]
    table.update(diskstats({1: 5, 2: 7}))
    assert table.rows["8:1"] is before
    assert table.changed == {"8:2"}
    table.update(diskstats({1: 5, 2: 7, 3: 1}))
    assert table.rows["8:1"] is before
    assert table.changed == {"8:3"}


def test_another_choice_of_devices_is_summed_anew() -> None:
    table, total = DiskTable(), HostTotal()
    table.update(diskstats({1: 5, 2: 6}))
    total.choose(["8:1"])
    assert total.update(table)["host.read_ios"] == 5
    table.update(diskstats({1: 5, 2: 6}))
    total.choose(["8:2"])
    assert total.update(table)["host.read_ios"] == 6
    assert total.update(table)["host.read_sectors"] == 48
