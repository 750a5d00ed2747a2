"""Every workload is judged by a model that was trained without it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlproxy.dataset import Record
from mlproxy.lab.bench import unseen
from mlproxy.lab.bench.report import Report
from mlproxy.lab.rows import read_rows
from mlproxy_readahead import ReadaheadAdapter
from tests.world import Physicist, make_policy

ROWS = Path(__file__).parents[2] / "training/readahead.jsonl.gz"
NAMES = ("mmap-random-4k", "mmap-sequential-64k", "psync-sequential-64k", "mmap-reverse-4k")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [row for row in read_rows([ROWS]) if row["workload"] in NAMES]


def test_a_workload_is_left_out_on_every_device(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[set[str]] = []

    def train(adapter: object, records: Sequence[Record], folder: Path) -> None:
        taught.append({record.group for record in records})

    monkeypatch.setattr(unseen, "train", train)
    monkeypatch.setattr(unseen, "load_model", lambda adapter, folder: Physicist())
    devices = {row["profile"] for row in rows}
    assert len(devices) > 1
    met = set()
    for cell in unseen.unseen(ReadaheadAdapter(), make_policy(), rows, (128,), 0):
        met.add((cell.profile, cell.workload))
        assert not {f"{device}/{cell.workload}" for device in devices} & taught[-1]
        assert taught[-1]
        assert 0 < cell.start_share <= 1
    assert met == {(row["profile"], row["workload"]) for row in rows}


def test_what_is_captured_counts_workloads_from_the_default_and_losses_are_named() -> None:
    report = Report("unseen", quick=True, console=Console(file=io.StringIO(), width=120))
    cells = [
        unseen.Cell("disk", "half", 128, 0.5, 0.25),
        unseen.Cell("disk", "all", 128, 1.0, 0.25),
        unseen.Cell("disk", "all#cut", 128, 1.0, 1.0),
        unseen.Cell("disk", "all", 4, 0.25, 0.5),
    ]
    unseen.judge(report, cells)
    assert (report.lines[0].found.split()[0], report.lines[0].met) == ("0.750", False)
    assert report.lines[-1].found == "1"
    assert report.notes == ["LOSS disk/all from 4: 0.500"]
