"""`mlproxy train` and `record`."""

from __future__ import annotations

import json
from pathlib import Path

from mlproxy.cli.schema_training import TrainReport
from tests.cli.conftest import Command

COUNTERS = {
    "disk.read_ios": 400.0,
    "disk.read_sectors": 3200.0,
    "disk.read_ticks_ms": 800.0,
    "disk.read_merges": 0.0,
    "disk.write_sectors": 0.0,
    "disk.io_ticks_ms": 900.0,
}


def rows_file(folder: Path) -> Path:
    """Three workloads at three values, in the row runner's form."""
    path = folder / "rows.jsonl"
    with path.open("w") as file:
        for workload in range(3):
            for value in (4, 16, 128):
                file.write(json.dumps(_row(workload, value)) + "\n")
    return path


def _row(workload: int, value: int) -> dict[str, object]:
    return {
        "profile": "lab",
        "workload": f"w{workload}",
        "result": [{"role": "reader", "iops": 10.0, "bytes_s": 1e6 / value}],
        "windows": [_window(1 + 0.01 * (turn + workload)) for turn in range(4)],
        "effective": {"sys/class/bdi/7:0/read_ahead_kb": str(value)},
    }


def _window(pace: float) -> dict[str, object]:
    after = {name: count * pace for name, count in COUNTERS.items()}
    return {
        "before": {"taken_ns": 0, "values": dict.fromkeys(COUNTERS, 0.0)},
        "after": {"taken_ns": 1_000_000_000, "values": after},
    }


def test_makes_a_model_and_says_how_good_it_is(mlproxy: Command, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    ended = mlproxy("train", "readahead", rows_file(tmp_path), "-o", folder, "--json")
    assert ended.code == 0, ended.err
    report = TrainReport.model_validate_json(ended.out)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (report.records, report.model.groups) == (9, 3)
    assert report.model.sha256 == manifest["sha256"]["model.ubj"]
    assert report.model.metrics == manifest["metrics"]


def test_bad_rows_name_file_and_line(mlproxy: Command, tmp_path: Path) -> None:
    path = rows_file(tmp_path)
    path.write_text(path.read_text() + "{}\n")
    ended = mlproxy("train", "readahead", path, "-o", tmp_path / "model")
    assert ended.code == 2
    assert f"{path}:10: not a measured row" in ended.err


def test_unknown_adapter_lists_the_installed(mlproxy: Command, tmp_path: Path) -> None:
    ended = mlproxy("train", "frob", tmp_path, "-o", tmp_path / "model")
    assert ended.code == 2
    assert "no adapter 'frob'; installed: iosched, readahead, writeback" in ended.err


def test_record_knows_the_profiles(mlproxy: Command) -> None:
    ended = mlproxy("record", "readahead", "--profile", "floppy", "-o", "rows")
    assert ended.code == 2
    assert "no device profile 'floppy'; there is: ssd-dilated" in ended.err


def test_what_two_runs_write_is_the_same_to_the_byte(mlproxy: Command, tmp_path: Path) -> None:
    rows = rows_file(tmp_path)
    for name in "ab":
        assert mlproxy("train", "readahead", rows, "-o", tmp_path / name).code == 0
    for name in ("model.ubj", "domain.json", "manifest.json", "CARD.md"):
        one, two = (tmp_path / folder / name for folder in "ab")
        assert one.read_bytes() == two.read_bytes(), name


def test_a_log_without_trials_teaches_nothing(mlproxy: Command, tmp_path: Path) -> None:
    log = tmp_path / "outcomes.jsonl"
    log.write_text('{"format": 1, "time_s": 0, "kind": "look"}\n')
    model = tmp_path / "model"
    ended = mlproxy("train", "readahead", rows_file(tmp_path), "--from-outcomes", log, "-o", model)
    assert ended.code == 2
    assert "no trial to learn from" in ended.err
    assert not model.exists()
