"""Records as Parquet: one line per window, with what the features are in the file itself.

Columns: `record` numbers the measurements and `window` their windows (null where a record has
none); `setting.KNOB`, `metric.NAME` and `feature.NAME` are those of a Record. The metadata key
`mlproxy` names adapter, fingerprint, features and units, so that a file that was made for other
features is refused, not misread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.dataset import Record
from mlproxy.errors import ConfigError

FORMAT = "mlproxy-records/v1"
KEY = b"mlproxy"
SUFFIX = ".parquet"
SETTING, METRIC, FEATURE = "setting.", "metric.", "feature."


def write_parquet(adapter: Adapter, records: Sequence[Record], path: Path) -> None:
    """Write `records` to one file. Raises: ConfigError without pyarrow, or if it cannot."""
    pa, pq = _pyarrow()
    try:
        pq.write_table(_table(pa, adapter, records), path)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error


def write_parts(adapter: Adapter, records: Sequence[Record], folder: Path, parts: int) -> None:
    """Write a folder of up to `parts` files; a group is never in two of them."""
    names = sorted({record.group for record in records})
    place = {name: number % parts for number, name in enumerate(names)}
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(min(parts, len(names))):
        own = [record for record in records if place[record.group] == part]
        write_parquet(adapter, own, folder / f"part-{part:04d}{SUFFIX}")


def read_parquet(adapter: Adapter, source: Any, name: str = "") -> list[Record]:
    """Records of one file, in order.

    Args:
        source: a path, or an open binary file whose `name` is used in errors.

    Raises:
        ConfigError: not such a file, or made for another adapter or other features.
    """
    pa, pq = _pyarrow()
    shown = name or str(source)
    try:
        table = pq.read_table(source)
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"{shown}: cannot be read: {first}") from error
    _check(shown, adapter, table.schema.metadata or {})
    return list(_records(adapter, table.to_pylist()))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'mlproxy[parquet]'") from error
    return pyarrow, parquet


def _check(name: str, adapter: Adapter, metadata: Mapping[bytes, bytes]) -> None:
    try:
        about = json.loads(metadata[KEY])
        found = {key: str(about[key]) for key in ("format", "adapter", "fingerprint")}
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{name}: no records of mlproxy: it names no features") from error
    wanted = _about(adapter)
    for key, value in found.items():
        if value != wanted[key]:
            raise ConfigError(f"{name}: {key} is {value}, needed is {wanted[key]}: convert again")


def _about(adapter: Adapter) -> dict[str, Any]:
    rows = adapter.schema.describe()
    return {
        "format": FORMAT,
        "adapter": adapter.name,
        "fingerprint": adapter.schema.fingerprint(),
        "features": [{"name": row["name"], "unit": row["unit"]} for row in rows],
        "objective": {"metric": adapter.objective.metric, "unit": adapter.objective.unit},
    }


def _table(pa: Any, adapter: Adapter, records: Sequence[Record]) -> Any:
    metrics = sorted({name for record in records for name in record.metrics})
    fields = [
        pa.field("record", pa.int32(), nullable=False),
        pa.field("window", pa.int32()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("variance", pa.float64()),
        pa.field("weight", pa.float64(), nullable=False),
        *(
            pa.field(
                f"{SETTING}{knob.name}",
                pa.string() if knob.choices else pa.int64(),
                metadata=_unit(knob.unit),
            )
            for knob in adapter.asked
        ),
        *(pa.field(f"{METRIC}{name}", pa.float64()) for name in metrics),
        *(
            pa.field(f"{FEATURE}{row['name']}", pa.float64(), metadata=_unit(str(row["unit"])))
            for row in adapter.schema.describe()
        ),
    ]
    metadata = {KEY: json.dumps(_about(adapter), sort_keys=True).encode()}
    schema = pa.schema(fields, metadata=metadata)
    lines = [line for number, record in enumerate(records) for line in _lines(number, record)]
    return pa.Table.from_pylist(lines, schema=schema)


def _unit(text: str) -> dict[bytes, bytes]:
    return {b"unit": text.encode()}


def _lines(number: int, record: Record) -> Iterator[dict[str, Any]]:
    line = {
        "record": number,
        "group": record.group,
        "family": record.family,
        "variance": record.variance,
        "weight": record.weight,
        **{f"{SETTING}{name}": value for name, value in record.setting.items()},
        **{f"{METRIC}{name}": float(value) for name, value in record.metrics.items()},
    }
    if not record.windows:
        yield {**line, "window": None}
    for place, window in enumerate(record.windows):
        yield {**line, "window": place, **{f"{FEATURE}{k}": v for k, v in window.items()}}


def _records(adapter: Adapter, lines: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
    """Lines of one measurement follow each other, as they were written."""
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or lines[end]["record"] != lines[start]["record"]:
            yield _record(adapter, lines[start:end])
            start = end


def _record(adapter: Adapter, lines: Sequence[Mapping[str, Any]]) -> Record:
    first = lines[0]
    names = adapter.schema.names()
    return Record(
        group=first["group"],
        setting=_part(first, SETTING),
        windows=tuple(
            {name: line[f"{FEATURE}{name}"] for name in names}
            for line in lines
            if line["window"] is not None
        ),
        metrics=_part(first, METRIC),
        family=first["family"],
        variance=first["variance"],
        weight=first["weight"],
    )


def _part(line: Mapping[str, Any], start: str) -> dict[str, Any]:
    """What a prefix names, without what is null."""
    named = {key.removeprefix(start): value for key, value in line.items() if key.startswith(start)}
    return {key: value for key, value in named.items() if value is not None}
