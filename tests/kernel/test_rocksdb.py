"""What the measurement of RocksDB makes of db_bench's words and of its rows."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "kpatches/checks"))
import rocksdb_table
from rocksdb_run import Beat, Run, rate

SAID = """\
readrandom   :       1.000 micros/op
2026/11/23-14:55:12  ... thread 0: (50,50) ops and (500.0,500.0) ops/second in (0.100000,0.100000) seconds
2026/11/23-14:55:13  ... thread 0: (50,100) ops and (250.0,333.3) ops/second in (0.200000,0.300000) seconds
"""  # noqa: E501


def test_every_interval_of_db_bench_is_heard() -> None:
    run = Run(time.monotonic_ns())
    run.listen(io.StringIO(SAID))
    assert [(beat.ops, beat.took_s) for beat in run.beats] == [(50, 0.1), (50, 0.2)]
    assert run.said == ["readrandom   :       1.000 micros/op"]


def test_a_rate_leaves_out_what_began_before() -> None:
    beats = [Beat(1.0, 100, 1.0), Beat(2.0, 300, 1.0), Beat(4.0, 300, 1.0)]
    assert rate(beats, 0.0) == pytest.approx(700 / 3)
    assert rate(beats, 0.5) == pytest.approx(300)


def test_what_is_slow_is_no_failure() -> None:
    assert rate([Beat(7.0, 50, 7.0)], 1.5) == pytest.approx(50 / 7)
    assert rate([Beat(1.0, 50, 1.0)], 1.5) == rate([], 1.5) == 0.0


def row(contender: str, ops_s: float, repeat: int = 0, **more: Any) -> dict[str, Any]:
    found = {"contender": contender, "repeat": repeat, "ops_s": ops_s, "ops_s_whole": ops_s / 2}
    return found | more


def run_of(ours: float) -> dict[str, Any]:
    trial = {"mode": "recommendation", "wins": "12", "losses": "0", "ties": "1"}
    return {
        "workload": "rocksdb-readrandom-mmap",
        "rows": [
            row("tried", 400.0, read_ahead_kb=128),
            row("tried", 1000.0, read_ahead_kb=16),
            row("default", 400.0),
            row("default", 900.0, 1),
            row("oracle", 1200.0, read_ahead_kb=16),
            row("mlproxy", ours, held={"16": 0.9, "128": 0.1}, trial=trial),
        ],
    }


def test_ratios_are_over_the_geometric_mean_of_the_default() -> None:
    assert rocksdb_table.gain(run_of(900.0), "mlproxy") == pytest.approx(1.5)
    line = rocksdb_table.ratios([run_of(900.0)]).splitlines()[-1]
    assert "**1.50x** | 1.50x | 2.00x | 16 | 16 90%, 128 10% |" in line
    assert "2.50x | 1.00x" in rocksdb_table.tries([run_of(900.0)])


def test_boots_of_a_workload_are_repeats_of_it() -> None:
    (run,) = rocksdb_table.merged([run_of(900.0), run_of(400.0)])
    assert rocksdb_table.gain(run, "mlproxy") == pytest.approx(1.0)


@pytest.mark.parametrize(("ours", "said"), [(900.0, "none."), (300.0, "readrandom-mmap 0.50x.")])
def test_losses_are_named(ours: float, said: str) -> None:
    assert f"Below the default: {said}" in rocksdb_table.summary([run_of(ours)]).replace(
        "rocksdb-", ""
    )
