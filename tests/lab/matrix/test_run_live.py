"""A small matrix on the real bed: rows, resumption, and nothing left changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from mlproxy.lab.matrix.load import parse_matrix
from mlproxy.lab.matrix.pairs import pairs_of
from mlproxy.lab.matrix.parquet import read_file
from mlproxy.lab.matrix.run import LINES, run_matrix

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="needs root and /dev/fuse"
    ),
]
MATRIX = parse_matrix(
    b"""
apiVersion: mlproxy-bench/v1
name: tiny
repeats: 2
times: {run: 500ms, counted: 1s, warm: 0s, settle: 1s}
blocks:
  - adapter: readahead
    devices: [fast]
    workloads: [sqlite-point-mmap]
    contenders: [static, tuned, mlproxy]
    candidates: [{read_ahead_kb: 16}]
""",
    Path("tiny.yaml"),
)
SYSCTL = Path("/proc/sys/vm")
TOUCHED = ("dirty_ratio", "dirty_background_ratio", "swappiness")


def _run(folder: Path, lock: Path) -> Path:
    return run_matrix(MATRIX, folder, Console(quiet=True), lock=lock, wait_s=0)


def test_a_matrix_is_measured_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    before = {name: (SYSCTL / name).read_text() for name in TOUCHED}
    folder, lock = tmp_path / "rows", tmp_path / "lock"
    found = read_file(_run(folder, lock))
    assert len(found.rows) == 2 * 4
    (pair,) = pairs_of(found.rows)
    assert {name: sorted(values) for name, values in pair.values.items()} == {
        name: [0, 1] for name in ("default", "mlproxy", "read_ahead_kb=16", "tuned")
    }
    by_arm = {row["arm"]: row for row in found.rows}
    (readahead,) = (v for k, v in by_arm["tuned"]["effective"].items() if "read_ahead" in k)
    assert readahead == "4096"
    assert by_arm["mlproxy"]["metrics"]["agent_mb"] > 10
    assert by_arm["default"]["windows"]
    assert found.machine["kernel"] == os.uname().release
    assert {name: (SYSCTL / name).read_text() for name in TOUCHED} == before

    lines = (folder / LINES).read_text().splitlines(keepends=True)
    (folder / LINES).write_text("".join(lines[:-1]) + lines[-1][:40])
    again = read_file(_run(folder, lock))
    assert [row["id"] for row in again.rows] == [row["id"] for row in found.rows]
    kept = {json.loads(line)["started_ns"] for line in lines[:-1]}
    assert kept < {row["started_ns"] for row in again.rows}
