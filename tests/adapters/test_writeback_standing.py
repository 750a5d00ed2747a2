"""When a backlog calls for a limit, and when it no longer does."""

from __future__ import annotations

import pytest

from mlproxy.snapshot import Sample, Window
from mlproxy_writeback import WritebackAdapter
from mlproxy_writeback.features import WHOLE
from mlproxy_writeback.standing import LEFT_S, demand_s, left

THRESHOLD_KB, BACKGROUND_KB = 400_000.0, 200_000.0
FREE_KB = 300_000.0
SPEED_KB = 20_000.0


class Counters:
    """A device's counters second by second."""

    def __init__(self, backlog_kb: float = 340_000.0) -> None:
        self.windows: list[Window] = []
        self._values = {
            "bdi.dirtied_kb": 0.0,
            "bdi.written_kb": 0.0,
            "vm.nr_inactive_file": 0.0,
            "vm.nr_active_file": 0.0,
            "vm.pgsteal_file": 0.0,
            "vm.pgpgin": 0.0,
        }
        self._second = 0
        self._last = self._sample(backlog_kb, {})

    def go(
        self,
        seconds: int,
        backlog_kb: float = 340_000.0,
        dirtied: float = 1.0,
        new: float = 1.0,
        written: float = 1.0,
        **gauges: float | None,
    ) -> Counters:
        """So many seconds more; `dirtied` and `written` in parts of the device's speed."""
        for _ in range(seconds):
            self._values["bdi.dirtied_kb"] += dirtied * SPEED_KB
            self._values["bdi.written_kb"] += written * SPEED_KB
            self._values["vm.pgsteal_file"] += new * dirtied * SPEED_KB / 4
            before, self._second = self._last, self._second + 1
            self._last = self._sample(backlog_kb, gauges)
            self.windows.append(Window(before, self._last))
        return self

    def _sample(self, backlog_kb: float, gauges: dict[str, float | None]) -> Sample:
        values: dict[str, float | None] = {
            **self._values,
            "bdi.reclaimable_kb": backlog_kb,
            "bdi.writeback_kb": 0.0,
            "bdi.host_thresh_kb": THRESHOLD_KB,
            "bdi.host_background_kb": BACKGROUND_KB,
            "vm.nr_dirty": backlog_kb / 4,
            "vm.nr_writeback": 0.0,
            "vm.nr_dirty_threshold": THRESHOLD_KB / 4,
            "vm.nr_dirty_background_threshold": BACKGROUND_KB / 4,
        } | {name.replace("__", "."): value for name, value in gauges.items()}
        known = {name: value for name, value in values.items() if value is not None}
        return Sample(self._second * 10**9, known)

    @property
    def demand_s(self) -> float:
        return demand_s(self.windows)


def test_a_stream_at_the_threshold_has_stood_there_since_it_came() -> None:
    seen = Counters().go(3, 250_000.0, dirtied=10.0).go(6)
    assert seen.demand_s == 6.0


def test_below_the_point_where_writers_are_held_back_nothing_is_asked_for() -> None:
    assert Counters(0.9 * FREE_KB).go(20, 0.9 * FREE_KB).demand_s == 0.0
    assert Counters().go(20).go(4, 0.9 * FREE_KB).demand_s > 0, "a lump was written"
    assert Counters().go(20).go(6, 0.9 * FREE_KB).demand_s == 0.0


@pytest.mark.parametrize(
    ("dirtied", "new", "asks"),
    [(1.0, 1.0, True), (2.0, 1.0, True), (3.0, 1.0, False), (0.4, 1.0, False), (1.0, 0.2, False)],
)
def test_who_gains_or_lets_it_drain_or_overwrites_is_no_stream(
    dirtied: float, new: float, asks: bool
) -> None:
    assert bool(Counters().go(10, dirtied=dirtied, new=new).demand_s) is asks


def test_a_burst_that_just_arrived_counts_from_when_it_gained_no_more() -> None:
    seen = Counters().go(2, dirtied=8.0).go(6)
    assert 6.0 <= seen.demand_s <= 8.0
    assert seen.go(9, dirtied=0.0).demand_s == 0.0, "and it has stopped now"


def test_uneven_seconds_do_not_end_it() -> None:
    waits = Counters().go(5).go(3, dirtied=0.0, written=0.0).go(1, dirtied=0.3, written=3.0)
    assert waits.go(2).demand_s == 8.0, "what it waited for the file system does not count"


def test_without_debugfs_the_hosts_thresholds_serve_and_without_either_nothing() -> None:
    hidden: dict[str, float | None] = {"bdi__host_background_kb": None}
    assert Counters().go(7, **hidden).demand_s == 7.0
    hidden["vm__nr_dirty_background_threshold"] = None
    assert Counters().go(7, **hidden).demand_s == 0.0
    assert Counters().go(7, vm__nr_dirty=None).demand_s == 0.0


LIMIT = WHOLE // 8
LIMIT_KB = THRESHOLD_KB / 8


@pytest.mark.parametrize(
    ("seconds", "backlog_kb", "dirtied", "over"),
    [
        (12, 0.95 * LIMIT_KB, 1.0, False),
        (12, 0.6 * LIMIT_KB, 1.0, False),
        (4, 0.4 * LIMIT_KB, 1.0, True),
        (12, 0.95 * LIMIT_KB, 0.5, False),
        (10, 0.95 * LIMIT_KB, 0.1, True),
        (9, 0.95 * LIMIT_KB, 0.0, False),
    ],
)
def test_a_limit_that_nobody_comes_near_or_wants_is_of_no_use(
    seconds: int, backlog_kb: float, dirtied: float, over: bool
) -> None:
    seen = Counters(backlog_kb).go(seconds, backlog_kb, dirtied)
    assert bool(left(seen.windows, LIMIT)) is over
    again = Counters(backlog_kb).go(8, backlog_kb, dirtied).go(4, LIMIT_KB)
    assert left(again.windows, LIMIT) == "", "somebody is back"
    assert left(Counters(0.0).go(int(LEFT_S), 0.0).windows, LIMIT) == "", "too soon to tell"


def test_the_adapter_asks_both() -> None:
    adapter, seen = WritebackAdapter(), Counters().go(8)
    assert adapter.demand_s(seen.windows) == 8.0 > adapter.wait_s > 0
    assert adapter.left(seen.windows, {"max_ratio_fine": LIMIT, "strict_limit": 1}) == ""
