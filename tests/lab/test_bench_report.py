"""Reports: what counts as passed, and what is written down."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mlproxy.lab.bench.report import Report


@pytest.fixture
def report() -> Report:
    return Report("grid", quick=True, console=Console(file=io.StringIO(), width=120))


@pytest.mark.parametrize(
    ("judged", "code"),
    [
        pytest.param([True, True], 0, id="all met"),
        pytest.param([True, False], 1, id="one missed"),
        pytest.param([True, None], 0, id="reported numbers are not judged"),
        pytest.param([None], 1, id="nothing was asked"),
        pytest.param([], 1, id="nothing at all"),
    ],
)
def test_exit_code(report: Report, judged: list[bool | None], code: int) -> None:
    for met in judged:
        report.judge("asked", "found", met)
    assert report.finish(None) == code


def test_files_hold_every_run_and_call_a_loss_a_loss(report: Report, tmp_path: Path) -> None:
    report.run("cell", share=0.5, held={"16": 1.0})
    report.say("LOSS here")
    report.judge("0.95 of the best", "0.5", False)
    report.finish(tmp_path / "bench")
    document = json.loads((tmp_path / "bench/grid-quick.json").read_text())
    assert document["runs"] == [{"kind": "cell", "share": 0.5, "held": {"16": 1.0}}]
    assert document["passed"] is False
    text = (tmp_path / "bench/grid-quick.md").read_text()
    assert "| 0.95 of the best | 0.5 | NOT MET |" in text
    assert "- LOSS here" in text
