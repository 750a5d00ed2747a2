"""Rows as Parquet: typed columns, nested values as JSON text, and in the file's metadata the
fingerprint of that schema, the machine and the matrix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.document import Matrix
from mlproxy.lab.runner import Results

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Mapping[str, str] = {
    "id": "string",
    "profile": "string",
    "workload": "string",
    "family": "string",
    "arm": "string",
    "repeat": "int64",
    "runtime_s": "float64",
    "started_ns": "int64",
    "late_us": "float64",
    "knobs": "json",
    "effective": "json",
    "facts": "json",
    "metrics": "json",
    "notes": "json",
    "result": "json",
    "windows": "json",
    "versions": "json",
}
"""Columns of a file; "json" is text that holds what a row nests."""

SAME_MACHINE = ("kernel", "processor", "cores")
"""Facts in which machines must be alike for their rows to stand side by side."""

_KEYS = (b"mlproxy.schema", b"mlproxy.machine", b"mlproxy.matrix")


@dataclass(frozen=True)
class RowFile:
    """Rows with what is known of their making."""

    rows: list[dict[str, Any]]
    machine: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, Any] = field(default_factory=dict)


def fingerprint() -> str:
    """Of the columns' names and types."""
    text = ";".join(f"{name}:{kind}" for name, kind in COLUMNS.items())
    return hashlib.sha256(text.encode()).hexdigest()


def write_rows(
    path: Path, rows: Iterable[Mapping[str, Any]], machine: Mapping[str, str], matrix: Matrix
) -> None:
    """All rows in the order of their ids; the file is replaced as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(rows, key=lambda row: str(row["id"]))
    metadata = dict(
        zip(
            _KEYS,
            (fingerprint(), json.dumps(dict(machine)), matrix.model_dump_json(by_alias=True)),
            strict=True,
        )
    )
    schema = pa.schema([(name, _type(kind)) for name, kind in COLUMNS.items()], metadata)
    columns = {
        name: [_cell(row.get(name), kind) for row in ordered] for name, kind in COLUMNS.items()
    }
    part = path.with_suffix(".part")
    pq.write_table(pa.table(columns, schema=schema), part, compression="zstd")
    part.replace(path)


def read_file(path: Path) -> RowFile:
    """Rows of a Parquet file, or of the JSON lines that a run appends to. Raises: ConfigError."""
    if path.suffix == ".jsonl":
        if not path.exists():
            raise ConfigError(f"{path}: there is no such file")
        return RowFile(Results(path).load())
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {error}") from None
    metadata = table.schema.metadata or {}
    found, machine, matrix = (metadata.get(key, b"").decode() for key in _KEYS)
    if found != fingerprint():
        raise ConfigError(
            f"{path}: schema {found[:12] or 'unknown'}, not {fingerprint()[:12]}: "
            "made by another version of mlproxy, or not by `mlproxy bench`"
        )
    rows = [
        {name: _value(row[name], kind) for name, kind in COLUMNS.items()}
        for row in table.to_pylist()
    ]
    return RowFile(rows, json.loads(machine), json.loads(matrix))


def read_files(paths: Sequence[Path]) -> RowFile:
    """Rows of several files as those of one, judged as the first asks.

    Raises: ConfigError, also for files of unlike machines, whose rows are not to be compared.
    """
    files = [read_file(path) for path in paths]
    first = files[0]
    for path, other in zip(paths, files, strict=True):
        for name in SAME_MACHINE:
            if other.machine.get(name) != first.machine.get(name):
                here, there = other.machine.get(name), first.machine.get(name)
                raise ConfigError(
                    f"{path}: of another machine than {paths[0]}: {here!r}, {there!r}"
                )
    names = (
        str(each.matrix.get("name", path.stem)) for path, each in zip(paths, files, strict=True)
    )
    rows = {row["id"]: row for each in files for row in each.rows}
    matrix = {**first.matrix, "name": "+".join(dict.fromkeys(names))}
    return RowFile([rows[name] for name in sorted(rows)], first.machine, matrix)


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {"int64": pa.int64(), "float64": pa.float64()}.get(kind, pa.string())


def _cell(value: Any, kind: str) -> Any:
    return json.dumps(value, sort_keys=True) if kind == "json" else value


def _value(cell: Any, kind: str) -> Any:
    return json.loads(cell) if kind == "json" else cell
