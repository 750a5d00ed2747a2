"""Numbers of one row, its plan, and the machine it ran on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.lab.matrix.contender import contenders
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.loads.base import Ran
from mlproxy.lab.matrix.loads.catalog import load_named
from mlproxy.lab.matrix.machine import machine_facts
from mlproxy.lab.matrix.measure import curve, steps, total
from mlproxy.lab.matrix.plan import beds_of, duel, rows_of, settings_of
from mlproxy.lab.matrix.setting import Setting
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.timeline import KnobSample
from mlproxy.registry import load_registry

QUICK = load_matrix("quick")
BLOCK = QUICK.blocks[0]
ADAPTER = load_registry().get("readahead")
VALUES = {"dirty_bytes": "0", "dirty_background_bytes": "0", "read_ahead_kb": "128"}
FOUND = contenders(
    ADAPTER, ["static", "tuned", "mlproxy"], [], lambda path: VALUES[path.rpartition("/")[2]]
)


def test_a_run_without_progress_counts_as_none() -> None:
    found = total([Ran({"progress": 4.0, "reads_s": 1.0}), Ran({"progress": 2.0}), Ran({})])
    assert found == pytest.approx({"progress": 2.0, "reads_s": 1 / 3})


def test_a_curve_counts_from_the_beginning_of_the_series() -> None:
    assert curve([(2.0, Ran({}, ((0.5, 10.0), (1.0, 20.0))))]) == [(2.5, 10.0), (3.0, 20.0)]


def test_steps_begin_with_the_value_in_force() -> None:
    samples = [KnobSample(1, "128"), KnobSample(5, "64"), KnobSample(2_000_000_010, "16")]
    assert steps(samples, 10) == [(0.0, "64"), (2.0, "16")]


def test_rows_are_interleaved_within_each_repeat() -> None:
    setting = settings_of(BLOCK, 1)[0]
    rows = rows_of(QUICK, BLOCK, setting, FOUND, range(3))
    assert [row.repeat for row in rows] == sorted([0, 1, 2] * len(FOUND))
    orders = [tuple(r.arm.name for r in rows if r.repeat == n) for n in range(3)]
    assert len(set(orders)) == 3
    assert {frozenset(order) for order in orders} == {frozenset(c.name for c in FOUND)}
    again = rows_of(QUICK, BLOCK, setting, FOUND, range(3))
    assert [row.id("x") for row in again] == [row.id("x") for row in rows]
    assert len({row.id("x") for row in rows}) == len(rows)


def test_the_agent_alone_has_time_to_settle() -> None:
    setting = settings_of(BLOCK, 1)[0]
    warm = {row.arm.name: row.ramp_s for row in rows_of(QUICK, BLOCK, setting, FOUND, range(1))}
    assert warm.pop("mlproxy") == QUICK.times.settle_s
    assert set(warm.values()) == {QUICK.times.warm_s}


def test_the_two_that_are_run_again() -> None:
    assert [each.name for each in duel(FOUND)] == ["default", "mlproxy"]


def test_a_row_is_another_one_on_another_device_of_the_same_name() -> None:
    one = Setting(load_named("mmap-random-4k"), PROFILES["ssd-5ms"])
    other = Setting(one.load, replace(one.device, channels=2))
    ids = {rows_of(QUICK, BLOCK, each, FOUND, range(1))[0].id("x") for each in (one, other)}
    assert len(ids) == 2


def test_settings_share_a_bed_by_heads_and_files() -> None:
    names = ("mmap-random-4k", "sqlite-scan-mmap", "mmap-random-16k")
    settings = [
        Setting(load_named(name), PROFILES[device])
        for device in ("ssd-5ms", "disk-seek")
        for name in names
    ]
    groups = list(beds_of(settings))
    assert [len(group) for group in groups] == [2, 1, 2, 1]
    assert [group[0].device.rotational for group in groups] == [False, False, True, True]


def test_the_machine_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Model: X 3\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       24 kB\nMemFree: 1 kB\n")
    (tmp_path / "etc/os-release").write_text('NAME="A"\nPRETTY_NAME="A B 12"\n')
    found = machine_facts(tmp_path)
    assert (found["processor"], found["memory"], found["system"]) == (
        "Model: X 3",
        "24 kB",
        "A B 12",
    )
    assert {"kernel", "fio", "mlproxy", "sqlite", "db_bench"} <= set(found)
    assert machine_facts(tmp_path / "nowhere")["processor"] == ""
