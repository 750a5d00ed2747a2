"""The writeback adapter: features, idleness, what suits, steps, blindness."""

from __future__ import annotations

import pytest

from mlproxy.adapter import Missing
from mlproxy.knob import Unit
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import load_policy
from mlproxy.registry import load_registry
from mlproxy.snapshot import Sample, Window
from mlproxy_writeback import WritebackAdapter
from mlproxy_writeback.adapter import BITS, MAX_RATIO_FINE, STRICT_LIMIT
from mlproxy_writeback.features import WHOLE, WritebackFeatures
from tests.faults import WRITEBACK

ADAPTER = WritebackAdapter()
THRESHOLD_KB = 4_000_000.0
STREAM = {
    "bdi.dirtied_kb": (0.0, 20_480.0),
    "bdi.written_kb": (0.0, 20_480.0),
    "bdi.writeback_kb": (0.0, 40_000.0),
    "bdi.reclaimable_kb": (3_000_000.0, 2_960_000.0),
    "bdi.host_thresh_kb": (THRESHOLD_KB, THRESHOLD_KB),
    "bdi.bandwidth_kb_s": (102_400.0, 102_400.0),
    "disk.write_ios": (0.0, 40.0),
    "disk.write_sectors": (0.0, 40_960.0),
    "disk.io_ticks_ms": (0.0, 1000.0),
    "disk.flush_ios": (0.0, 0.0),
    "host.write_sectors": (0.0, 80_000.0),
    "vm.nr_active_file": (0.0, 0.0),
    "vm.nr_inactive_file": (1000.0, 5096.0),
    "vm.pgsteal_file": (0.0, 1024.0),
    "vm.pgpgin": (0.0, 0.0),
    "vm.nr_dirtied": (0.0, 10_000.0),
    "vm.nr_written": (0.0, 10_000.0),
    "vm.nr_dirty": (500_000.0, 500_000.0),
    "vm.nr_writeback": (0.0, 0.0),
    "vm.nr_dirty_threshold": (1_000_000.0, 1_000_000.0),
    "psi.io.some_us": (0.0, 900_000.0),
}


def window(without: str = "nothing", **changed: tuple[float, float]) -> Window:
    names = {name.replace("__", "."): pair for name, pair in changed.items()}
    pairs = {k: v for k, v in {**STREAM, **names}.items() if not k.startswith(without)}
    before, after = ({name: pair[end] for name, pair in pairs.items()} for end in (0, 1))
    return Window(Sample(0, before), Sample(10**9, after))


def features(seen: Window, value: int = WHOLE) -> WritebackFeatures:
    found = ADAPTER.features(seen, WRITEBACK, {"max_ratio_fine": value, "strict_limit": 1})
    assert isinstance(found, WritebackFeatures)
    return found


def test_shares_of_a_stream_at_its_limit() -> None:
    found = features(window())
    assert found.dirtied_share == pytest.approx(0.5)
    assert found.backlog_share == pytest.approx(0.75)
    assert found.limit_used == pytest.approx(0.75)
    assert found.growth == 0.0
    assert found.threshold_s == pytest.approx(THRESHOLD_KB / 20_480)
    assert found.drain_s == pytest.approx(3_000_000 / 20_480)
    assert found.new_share == pytest.approx(1.0)
    assert found.waiting == pytest.approx(0.9)
    assert features(window(), WHOLE // 2).limit_used == pytest.approx(1.5)


def test_a_device_that_is_not_busy_is_as_fast_as_the_kernel_thinks() -> None:
    found = features(window(disk__io_ticks_ms=(0.0, 100.0)))
    assert found.threshold_s == pytest.approx(THRESHOLD_KB / 102_400)


def test_pages_that_were_there_or_were_read_are_not_new() -> None:
    assert features(window(vm__nr_inactive_file=(0.0, 0.0))).new_share == pytest.approx(0.2)
    assert features(window(vm__pgpgin=(0.0, 20_480.0))).new_share == pytest.approx(0.0)
    assert features(window("vm.pgsteal")).new_share is None


def test_the_hosts_counters_stand_in_where_the_device_did_nearly_all_writes() -> None:
    alone = {"host__write_sectors": (0.0, 40_960.0)}
    found = features(window("bdi.", **alone))
    assert found.backlog_share == pytest.approx(0.5)
    assert found.dirtied_share == pytest.approx(0.5)
    with pytest.raises(Missing, match=r"did 51% of the host's writes"):
        features(window("bdi."))
    with pytest.raises(Missing, match="diskstats"):
        features(Window(Sample(0, {}), Sample(10**9, {})))


def test_nobody_who_writes_is_idle_though_the_backlog_drains() -> None:
    quiet = {"bdi__dirtied_kb": (0.0, 500.0)}
    assert "0.5 MiB were dirtied" in (ADAPTER.idle(window(**quiet)) or "")
    assert ADAPTER.idle(window()) is None
    assert ADAPTER.idle(window("bdi.")) is None, "somebody writes, and it may be this one"
    host = {"vm__nr_dirtied": (0.0, 10.0)}
    assert "idle" in (ADAPTER.idle(window("bdi.", **host)) or "")


@pytest.mark.parametrize(("aim_s", "suiting"), [(5.0, 15_625), (2.0, 7_812), (100.0, 500_000)])
def test_one_candidate_suits_the_time_to_drain(aim_s: float, suiting: int) -> None:
    seen = features(window())
    grid = [int(value) for value in MAX_RATIO_FINE.grid]
    fits = [v for v in grid if ADAPTER.suits(seen, MAX_RATIO_FINE, v, {"max_drain_s": aim_s})]
    assert fits == [suiting]


def test_nothing_suits_where_the_devices_speed_is_not_known() -> None:
    seen = features(window()).model_copy(update={"threshold_s": None})
    assert not ADAPTER.suits(seen, MAX_RATIO_FINE, 15_625, {"max_drain_s": 5.0})


def test_a_limit_comes_down_with_the_backlog_just_above_it() -> None:
    sample = window().after
    first = ADAPTER.approach(MAX_RATIO_FINE, sample, WHOLE, 15_625)
    assert isinstance(first, int)
    assert 1.055 <= first * THRESHOLD_KB / WHOLE / 3_000_000 <= 1.09
    assert len(bin(first).lstrip("0b").rstrip("0")) <= BITS
    assert ADAPTER.approach(MAX_RATIO_FINE, sample, 15_625, WHOLE) == WHOLE
    assert ADAPTER.approach(STRICT_LIMIT, sample, 0, 1) == 1
    share = window(bdi__thresh_kb=(2_000_000.0, 2_000_000.0)).after
    assert ADAPTER.approach(STRICT_LIMIT, share, 0, 1) == 0, "others write too: it would stand"
    empty = window(bdi__reclaimable_kb=(0.0, 0.0)).after
    assert ADAPTER.approach(MAX_RATIO_FINE, empty, WHOLE, 15_625) == 15_625
    unknown = window("bdi.").after
    assert ADAPTER.approach(MAX_RATIO_FINE, unknown, WHOLE, 15_625) == 750_000


def test_a_limit_that_is_reached_is_blind_and_teaches_nothing() -> None:
    seen = features(window(), 250_000)
    assert ADAPTER.is_blind(seen, MAX_RATIO_FINE, 250_000)
    assert not ADAPTER.teaches(seen, {"max_ratio_fine": 250_000})
    assert not ADAPTER.is_blind(seen, MAX_RATIO_FINE, WHOLE)
    assert ADAPTER.teaches(seen, {"max_ratio_fine": WHOLE})
    free = features(window(bdi__reclaimable_kb=(0.0, 500_000.0)), 250_000)
    assert not ADAPTER.is_blind(free, MAX_RATIO_FINE, 250_000)
    assert ADAPTER.look_from(MAX_RATIO_FINE, 250_000) == 500_000
    assert ADAPTER.look_from(STRICT_LIMIT, 1) is None


def test_the_reason_has_megabytes_and_seconds() -> None:
    text = ADAPTER.reason(features(window()), "max_ratio_fine", WHOLE, 15_625)
    assert text == "3072 MB wait, 146.5 s at 21 MB/s; 15625 is 64 MB, 3.1 s"


def test_the_limit_is_asked_for_and_strictness_goes_along() -> None:
    assert [knob.name for knob in ADAPTER.asked] == ["max_ratio_fine"]
    assert MAX_RATIO_FINE.companions == {"strict_limit": 1}
    assert {knob.trial for knob in ADAPTER.knobs} == {Unit.LEASE}
    assert all(setting["strict_limit"] == int(setting["max_ratio_fine"] != WHOLE)
               for setting in ADAPTER.sweep())  # fmt: skip


def test_what_it_ships_fits_together() -> None:
    policy = load_policy(ADAPTER.home() / "policy.yaml")
    assert policy.adapter == ADAPTER.name
    assert policy.max_drain_s == 5.0
    assert check_policies([policy], {"writeback": ADAPTER}) == []
    assert "writeback" in load_registry().adapters


def test_an_estimate_of_zero_is_none() -> None:
    """All that is dirty is under way just then (mm/backing-dev.c, tot_write_bandwidth)."""
    nothing = {"bdi__bandwidth_kb_s": (0.0, 0.0)}
    assert features(window(**nothing)).threshold_s == pytest.approx(THRESHOLD_KB / 20_480)
    slow = features(window(**nothing, disk__io_ticks_ms=(0.0, 100.0)))
    assert (slow.threshold_s, slow.drain_s) == (None, None)
