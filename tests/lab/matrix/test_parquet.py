"""Rows in Parquet: what goes in comes out, and what is not ours is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.parquet import COLUMNS, fingerprint, read_file, read_files, write_rows
from tests.lab.matrix.made import two_workloads

QUICK = load_matrix("quick")


def test_a_round_trip_keeps_rows_machine_and_matrix(tmp_path: Path) -> None:
    made = two_workloads()
    write_rows(tmp_path / "rows.parquet", made, {"cores": "2"}, QUICK)
    found = read_file(tmp_path / "rows.parquet")
    assert found.rows == sorted(made, key=lambda row: row["id"])
    assert found.machine == {"cores": "2"}
    assert found.matrix["name"] == "quick"
    assert found.matrix["asked"] == {"captured": 0.8, "floor": 0.9}
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_the_metadata_can_be_read_without_mlproxy(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", two_workloads(), {"cores": "2"}, QUICK)
    metadata = pq.read_schema(tmp_path / "rows.parquet").metadata
    assert metadata[b"mlproxy.schema"].decode() == fingerprint()
    assert json.loads(metadata[b"mlproxy.machine"]) == {"cores": "2"}


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    made = two_workloads()
    write_rows(tmp_path / "a.parquet", made, {}, QUICK)
    write_rows(tmp_path / "b.parquet", made[::-1], {}, QUICK)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({name: ["x"] for name in COLUMNS}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"schema unknown, not \w+: made by another version"):
        read_file(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_file(tmp_path / name)


def test_what_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("hello")
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        read_file(tmp_path / "rows.parquet")


def test_json_lines_of_a_run_under_way(tmp_path: Path) -> None:
    made = two_workloads()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    assert read_file(tmp_path / "rows.jsonl").rows == made


def test_files_of_several_matrices_are_one(tmp_path: Path) -> None:
    made = two_workloads()
    phases = load_matrix("phases")
    write_rows(tmp_path / "a.parquet", made[:30], {"cores": "2"}, QUICK)
    write_rows(tmp_path / "b.parquet", made[20:], {"cores": "2"}, phases)
    found = read_files([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert found.rows == sorted(made, key=lambda row: row["id"])
    assert found.matrix["name"] == "quick+phases"
    assert found.matrix["asked"] == {"captured": 0.8, "floor": 0.9}


def test_files_of_unlike_machines_are_not_mixed(tmp_path: Path) -> None:
    for name, cores in (("a", "2"), ("b", "4")):
        write_rows(tmp_path / f"{name}.parquet", two_workloads(), {"cores": cores}, QUICK)
    with pytest.raises(ConfigError, match=r"b\.parquet: of another machine than .*: '4', '2'"):
        read_files([tmp_path / "a.parquet", tmp_path / "b.parquet"])
