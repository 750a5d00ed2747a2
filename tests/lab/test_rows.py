"""Measured rows as records to train on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.rows import metrics_of, read_rows, records_of, setting_of
from mlproxy_iosched import IoschedAdapter
from mlproxy_readahead import ReadaheadAdapter
from tests.machine import reads


def row(ios: float = 1.0) -> dict[str, Any]:
    rates = {name: rate * ios for name, rate in reads("random", 128).items()}
    window = {
        "before": {"taken_ns": 0, "values": dict.fromkeys(rates, 0.0)},
        "after": {"taken_ns": 10**9, "values": rates},
    }
    return {
        "profile": "ssd",
        "workload": "random",
        "result": [{"role": "reader", "iops": 100.0, "bytes_s": 4e5}],
        "windows": [window],
        "effective": {"sys/class/bdi/7:0/read_ahead_kb": "128"},
        "facts": {"rotational": 0.0},
    }


def test_a_row_becomes_a_record() -> None:
    (record,) = records_of(ReadaheadAdapter(), [row()])
    assert record.group == "ssd/random"
    assert record.setting == {"read_ahead_kb": 128}
    assert record.metrics["progress"] == pytest.approx(4e5)
    assert "rotational" not in record.windows[0]
    assert record.windows[0]["read_kb_per_request"] == pytest.approx(128)


def test_a_row_without_io_is_left_out() -> None:
    assert records_of(ReadaheadAdapter(), [row(ios=0.001)]) == []
    bare = row()
    bare["windows"][0]["after"]["values"] = {}
    assert records_of(ReadaheadAdapter(), [bare]) == []


def test_slow_and_fast_jobs_weigh_alike_and_a_starved_one_has_no_mean() -> None:
    jobs = [{"role": "reader", "iops": iops, "bytes_s": iops} for iops in (1.0, 100.0)]
    writer = {"role": "writer", "iops": 0.0, "bytes_s": 0.0}
    assert metrics_of(jobs) == {"progress": pytest.approx(10), "reads_s": pytest.approx(10)}
    assert metrics_of([*jobs, writer]) == {"reads_s": pytest.approx(10)}
    assert metrics_of([]) == {}


def test_names_stay_names() -> None:
    effective = {"sys/block/loop0/queue/scheduler": "kyber", "x/queue/nr_requests": "8"}
    assert setting_of(IoschedAdapter(), effective) == {"scheduler": "kyber", "nr_requests": 8}


def test_rows_are_read_plain_and_gzipped(tmp_path: Path) -> None:
    text = json.dumps(row()) + "\n"
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    found = list(read_rows([tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]))
    assert found == [row(), row()]


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\x00garbage-that-is-long-enough", b"plain"])
def test_a_damaged_archive_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"rows\.jsonl\.gz: cannot be read"):
        list(read_rows([path]))


@pytest.mark.parametrize("text", ["{}", "x", "[]"])
def test_what_is_no_row_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row()) + "\n" + text + "\n")
    with pytest.raises(ConfigError, match=r"rows\.jsonl:2"):
        list(read_rows([path]))


def test_metrics_of_its_own_stand_for_a_row_also_without_windows() -> None:
    own = {**row(ios=0.001), "metrics": {"drains_s": 0.2}}
    (record,) = records_of(ReadaheadAdapter(), [own])
    assert record.metrics == {"drains_s": 0.2}
    assert record.windows == ()
