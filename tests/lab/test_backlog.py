"""Measuring a backlog: places, limits, rows, and what counts as accepted."""

from __future__ import annotations

from typing import Any

import pytest

from mlproxy.errors import LabError
from mlproxy.lab.backlog import (
    FAST_MB_S,
    VM,
    Place,
    backlog_metrics,
    declare_rows,
    limit_arm,
    places,
)
from mlproxy.lab.fio import JobResult, WorkloadResult
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.sweep import profiles_for
from mlproxy.lab.workload import Job, Workload
from mlproxy.lab.writers import LOG, burst, is_burst, is_stream, overwrite, stream, writers
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_writeback import WritebackAdapter

STICK = PROFILES["stick"]
ADAPTER = WritebackAdapter()


def small() -> Place:
    return places(STICK)[0]


def windows(backlog_kb: float, written_mb: float, count: int = 6) -> list[dict[str, Any]]:
    def sample(at: int) -> dict[str, Any]:
        values = {"bdi.writeback_kb": 0.0, "bdi.reclaimable_kb": backlog_kb}
        written = {"disk.write_sectors": at * written_mb * 1e6 / 512}
        return {"taken_ns": at * 10**9, "values": values | written}

    return [{"before": sample(at), "after": sample(at + 1)} for at in range(count)]


def metrics(job: Job, bytes_s: float, **more: Any) -> dict[str, float]:
    done = JobResult(0, "writer", bytes_s, bytes_s / 2**20, more.get("clat_us", 900.0), None)
    seen = windows(more.get("backlog_kb", 97_656.25), 20.0)
    return backlog_metrics(WorkloadResult((done,), seen), Workload("w", "f", (job,)), 20.0)


def test_a_device_is_recorded_under_two_thresholds() -> None:
    little, large = places(STICK)
    assert (large.label, little.label) == ("stick-240s", "stick-20s")
    assert large.profile.bandwidth_mb_s == 5.0
    assert large.vm[f"{VM}/dirty_bytes"] == 1_200_000_000
    assert little.vm[f"{VM}/dirty_bytes"] == 400_000_000
    with pytest.raises(LabError, match="no bandwidth"):
        places(PROFILES["fast"])


def test_a_limit_is_strict_and_none_is_not() -> None:
    limit, none = (dict(limit_arm(ADAPTER, small(), shift).knobs) for shift in (2, 0))
    assert limit["sys/class/bdi/{devno}/max_ratio_fine"] == "250000"
    assert limit["sys/class/bdi/{devno}/strict_limit"] == "1"
    assert none["sys/class/bdi/{devno}/max_ratio_fine"] == "1000000"
    assert none["sys/class/bdi/{devno}/strict_limit"] == "0"
    assert limit[f"{VM}/dirty_bytes"] == "400000000"


def test_every_writer_is_measured_without_a_limit_and_at_every_one() -> None:
    chosen = writers(20.0, 20.0)
    rows = list(declare_rows(ADAPTER, small(), chosen, 1))
    assert len(rows) == 5 * len(chosen)
    assert len({row.id("p") for row in rows}) == len(rows)
    assert {row.arm.name for row in rows} == {"none", "limit-1", "limit-2", "limit-4", "limit-6"}


def test_names_are_unique_and_kinds_are_told_apart() -> None:
    for threshold_s in (20.0, 220.0):
        names = [each.workload.name for each in writers(20.0, threshold_s)]
        assert len(names) == len(set(names)) >= 13
    assert is_stream(stream())
    assert not is_stream(burst(40, 2))
    assert is_burst(burst(40, 2))
    assert not is_stream(overwrite(100))
    assert not is_stream(LOG)


def test_what_a_stream_borrows_from_memory_does_not_count() -> None:
    assert metrics(stream(), 500e6)["accepted"] == pytest.approx(20e6)
    assert metrics(stream(), 15e6)["accepted"] == pytest.approx(20e6), "nor what it pays back"


def test_what_bursts_and_overwriters_get_is_theirs() -> None:
    assert metrics(overwrite(100), 50e6)["accepted"] == pytest.approx(50e6)
    assert metrics(overwrite(100), 5e9)["accepted"] == pytest.approx(FAST_MB_S * 1e6)
    # ten bursts' writes a second take 0.1 s each of 1 MiB: ten times its mean while it writes
    quick = metrics(burst(40, 2), 10 * 2**20, clat_us=10_000.0)
    assert quick["accepted"] == pytest.approx(100 * 2**20, rel=1e-3)


def test_time_to_drain_and_bytes_written() -> None:
    found = metrics(stream(), 20e6)
    assert found["drains_s"] == pytest.approx(1 / 5.0)
    assert found["written"] == pytest.approx(20e6)
    assert metrics(LOG, 1e6, backlog_kb=10.0)["drains_s"] == pytest.approx(1 / 0.2)


def test_without_debugfs_there_is_nothing_to_measure() -> None:
    seen = windows(0.0, 1.0)
    for each in seen:
        del each["after"]["values"]["bdi.writeback_kb"]
    done = JobResult(0, "writer", 1e6, 1.0, 1.0, None)
    with pytest.raises(LabError, match="debugfs"):
        backlog_metrics(WorkloadResult((done,), seen), Workload("w", "f", (stream(),)), 20.0)


def test_each_adapter_has_its_devices() -> None:
    assert profiles_for(ADAPTER) == ["stick"]
    assert "stick" not in profiles_for(ReadaheadAdapter())
