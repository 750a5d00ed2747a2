"""The agent played through on recorded windows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

import pytest

from mlproxy.lab.bench.replay import Recorded, lucky, play, recorded
from mlproxy.lab.replay import NS, REOPEN_NS, Player, rates_of
from mlproxy.model import Model
from mlproxy.snapshot import Sample, Window
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB
from tests.machine import reads
from tests.world import Physicist, make_policy

GRID = READ_AHEAD_KB.grid
ADAPTER = ReadaheadAdapter()


def workload(name: str) -> Recorded:
    rates = {int(kb): [reads(name, int(kb), traced=True)] for kb in GRID}
    progress = {kb: [math.log(each[0]["app.progress"])] for kb, each in rates.items()}
    return Recorded(rates, progress)


def share(name: str, start: int, model: object | None = None) -> float:
    asked = cast(Model, model or Physicist())
    return play(ADAPTER, asked, make_policy(), workload(name), start, "seed")


@pytest.mark.parametrize("start", [kb for kb in GRID if int(kb) < 1024])
def test_from_every_value_an_agent_that_knows_the_device_finds_the_best(start: int) -> None:
    assert share("random", start) > 0.95
    assert share("sequential", start) > 0.95


def test_an_agent_that_never_changes_anything_gives_what_its_value_gives() -> None:
    indifferent = Physicist()
    indifferent.score = lambda workload, value: 0.0
    random = workload("random")
    expected = math.exp(random.mean(2048) - random.mean(random.best()))
    assert share("random", 2048, indifferent) == pytest.approx(expected)


def test_a_value_reaches_the_workload_when_its_files_are_opened_anew(tmp_path: Path) -> None:
    knob = tmp_path / "sys/class/bdi/7:0/read_ahead_kb"
    knob.parent.mkdir(parents=True)
    knob.write_text("128\n")
    player = Player(tmp_path, READ_AHEAD_KB, {4: [{"n": 1.0}], 128: [{"n": 10.0}]}, "seed")
    player.wait(0.001)
    knob.write_text("4\n")
    player.wait(2 * REOPEN_NS / NS)
    turn_ns = next(start for start, _, value in player.spans if value == 4)
    assert 0 < turn_ns <= REOPEN_NS
    expected = 10 * turn_ns / NS + (player.now_ns() - turn_ns) / NS
    assert player.counters["n"] == pytest.approx(expected)


def test_rates_are_growth_per_second_and_a_counter_that_was_reset_is_none() -> None:
    before, after = {"a": 1.0, "b": 5.0}, {"a": 7.0, "b": 4.0, "c": 1.0}
    window = Window(Sample(0, before), Sample(2 * NS, after))
    assert rates_of(window) == {"a": 3.0}


def row(kb: int, progress: float, windows: int = 1, profile: str = "ssd-dilated") -> dict[str, Any]:
    samples = {
        "before": {"taken_ns": 0, "values": {"disk.read_ios": 0}},
        "after": {"taken_ns": NS, "values": {"disk.read_ios": 100}},
    }
    return {
        "profile": profile,
        "workload": "mmap-random-4k",
        "effective": {"sys/class/bdi/7:0/read_ahead_kb": str(kb)},
        "result": [{"role": "reader", "bytes_s": progress, "iops": 1.0}],
        "windows": json.loads(json.dumps([samples] * windows)),
    }


def test_rows_of_the_profile_with_windows_are_taken() -> None:
    rows = [row(4, 2.0), row(4, 8.0), row(128, 1.0), row(16, 9.0, 0), row(16, 9.0, 1, "disk-seek")]
    found = recorded(ADAPTER, rows, ["mmap-random-4k"])["mmap-random-4k"]
    assert found.rates == {4: [{"disk.read_ios": 100.0}] * 2, 128: [{"disk.read_ios": 100.0}]}
    assert found.best() == 4
    assert math.exp(found.mean(4)) == pytest.approx(4.0)


def test_luck_is_what_a_choice_by_half_of_the_repeats_loses() -> None:
    steady = Recorded({}, {4: [1.0, 1.0], 128: [0.0, 0.0]})
    assert lucky(steady) == 1.0
    fickle = Recorded({}, {4: [1.0, 0.0], 128: [0.0, 1.0]})
    assert lucky(fickle) == pytest.approx(math.exp(-1))
