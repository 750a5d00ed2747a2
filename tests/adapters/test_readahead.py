"""The readahead adapter: features, idleness, blindness."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlproxy.adapter import Missing
from mlproxy.errors import ConfigError
from mlproxy.policy_file import load_policy
from mlproxy.policy_objective import ObjectiveSource
from mlproxy.progress import open_progress
from mlproxy.registry import load_registry
from mlproxy.snapshot import Sample, Window
from mlproxy.tree import Tree
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB
from mlproxy_readahead.features import ReadaheadFeatures
from tests.faults import READAHEAD
from tests.machine import reads

ADAPTER = ReadaheadAdapter()


def window(
    value: int = 128, workload: str = "random", traced: bool = False, **more: float
) -> Window:
    grown = {**reads(workload, value, traced), **more}
    return Window(Sample(0, dict.fromkeys(grown, 0.0)), Sample(10**9, grown))


def features(seen: Window, value: int = 128) -> ReadaheadFeatures:
    found = ADAPTER.features(seen, READAHEAD, {"read_ahead_kb": value})
    assert isinstance(found, ReadaheadFeatures)
    return found


def test_ratios_of_a_window() -> None:
    found = features(window())
    assert found.read_kb_per_request == pytest.approx(128)
    assert found.window_share == pytest.approx(1)
    assert found.major_faults_per_read == pytest.approx(1)
    assert found.utilisation == 1.0
    assert found.run_kb is None


def test_faults_are_nobodys_where_others_read_much_and_else_to_within_a_quarter() -> None:
    reading = reads("random", 128)["disk.read_ios"]
    assert features(window(**{"host.read_ios": reading * 1.6})).major_faults_per_read is None
    beside = {"host.read_ios": reading * 1.4}
    assert features(window(**beside)).major_faults_per_read == pytest.approx(0.8)
    foreign = {**beside, "vm.pgmajfault": reading * 0.1}
    assert features(window(**foreign)).major_faults_per_read == pytest.approx(0.05)


def test_absent_is_not_zero() -> None:
    seen = window()
    bare = {k: v for k, v in seen.after.values.items() if not k.startswith("vm.")}
    found = features(replace(seen, after=Sample(10**9, bare)))
    assert found.major_faults_per_mb is None
    assert found.refault_share is None


@pytest.mark.parametrize(
    ("ios", "sectors", "idle"), [(1, 8, True), (11, 88, True), (12, 96, False), (8, 16384, False)]
)
def test_few_reads_are_idle_unless_they_are_large(ios: float, sectors: float, idle: bool) -> None:
    seen = window(**{"disk.read_ios": ios, "disk.read_sectors": sectors})
    assert bool(ADAPTER.idle(seen)) is idle


def test_without_counters_it_is_not_idle_but_missing() -> None:
    empty = Window(Sample(0, {}), Sample(10**9, {}))
    assert ADAPTER.idle(empty) is None
    with pytest.raises(Missing, match="diskstats"):
        features(empty)


def test_traced_windows_are_not_blind() -> None:
    assert ADAPTER.is_blind(features(window(4), 4), READ_AHEAD_KB, 4)
    assert not ADAPTER.is_blind(features(window(4, traced=True), 4), READ_AHEAD_KB, 4)
    assert not ADAPTER.is_blind(features(window(16), 16), READ_AHEAD_KB, 16)


def test_readahead_off_divides_by_nothing() -> None:
    assert features(window(0), 0).window_share == pytest.approx(1)


def test_the_reason_has_what_was_seen() -> None:
    text = ADAPTER.reason(features(window(traced=True)), "read_ahead_kb", 128, 4)
    assert "128 KiB per read request" in text
    assert "major faults" in text


@pytest.mark.parametrize("file", ["/proc/diskstats", "/proc/pressure/io"])
def test_device_throughput_and_pressure_are_refused_as_progress(file: str) -> None:
    source = ObjectiveSource(file=file)
    with pytest.raises(ConfigError, match="refused"):
        open_progress(source, ADAPTER.objective, Tree())


def test_device_throughput_and_pressure_choose_the_wrong_arm_on_random_mmap() -> None:
    """Why they are refused: the value that triples the application's progress looks worse."""
    slow, fast = reads("random", 128), reads("random", 4)
    assert fast["app.progress"] > 3 * slow["app.progress"]
    assert fast["disk.read_sectors"] < slow["disk.read_sectors"]
    assert fast["psi.io.some_us"] >= slow["psi.io.some_us"]


def test_what_it_ships_fits_together() -> None:
    policy = load_policy(ADAPTER.home() / "policy.yaml")
    assert policy.adapter == ADAPTER.name
    assert set(policy.knobs) <= {knob.name for knob in ADAPTER.knobs}
    assert "readahead" in load_registry().adapters
