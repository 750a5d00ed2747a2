"""`mlproxy bench`: how it is asked, what it refuses, what it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlproxy.cli.schema_bench import BenchReport
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.parquet import write_rows
from tests.cli.conftest import Command
from tests.lab.matrix.made import two_workloads


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("quack",),
            "one of: generated, held-out, held-out-queues, phases, programs",
        ),
        (("quick", "--quick"), "name one matrix, or give --quick"),
        (("-o", "x"), "name one matrix, or give --quick"),
        (("quick", "--root", "/nowhere"), "--root /nowhere is for looking only"),
        (("report", "nowhere.parquet"), "nowhere.parquet: cannot be read as Parquet"),
    ],
)
def test_what_is_refused(mlproxy: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = mlproxy("bench", *arguments)
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_a_plain_user_is_refused_before_anything_runs(mlproxy: Command) -> None:
    ended = mlproxy("bench", "--quick")
    assert ended.code == 3
    assert "sudo mlproxy bench" in ended.err


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Measured rows; the current folder is the test's own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "kept" / "rows.parquet"
    path.parent.mkdir()
    write_rows(path, two_workloads(), {"cores": "2"}, load_matrix("quick"))
    return path


def test_a_report_goes_where_the_help_says(mlproxy: Command, rows: Path) -> None:
    """Not beside the rows, where an earlier report may have been kept."""
    told = BenchReport.model_validate_json(mlproxy("bench", "report", rows, "--json").out)
    assert {Path(name).parent for name in told.files} == {Path("data/bench/quick")}
    assert Path("data/bench/quick/report.html").exists()
    assert list(rows.parent.iterdir()) == [rows]


def test_a_report_of_measured_rows(mlproxy: Command, rows: Path, tmp_path: Path) -> None:
    assert "mlproxy was slower than the default in 1 pairs" in mlproxy("bench", "report", rows).out
    ended = mlproxy("bench", "report", rows, "--json", "-o", tmp_path)
    assert ended.code == 0
    told = BenchReport.model_validate_json(ended.out)
    assert [each.ratios["mlproxy"].estimate > 1 for each in told.pairs] == [True, False]
    assert told.captured[0].captured is not None
    assert told.captured[0].captured.lower is None, "one workload is no interval"
    written = [Path(name) for name in told.files]
    assert {"report.html", "results.md", "ratios.png"} <= {path.name for path in written}
    assert all(path.parent == tmp_path and path.stat().st_size for path in written)


def test_without_its_packages_it_says_how_to_get_them(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlproxy.cli.bench.find_spec", lambda name: None)
    ended = mlproxy("bench", "report", "rows.parquet")
    assert ended.code == 2
    assert "pip install mlproxy[bench]" in ended.err
