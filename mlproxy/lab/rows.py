"""Rows of the row runner as records to train on.

A row keeps raw counters, so that records can be made again when a feature schema changes.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlproxy.adapter import Adapter, Missing
from mlproxy.dataset import Record
from mlproxy.errors import ConfigError
from mlproxy.knob import Knob, Setting, Value
from mlproxy.parquet import SUFFIX, read_parquet
from mlproxy.proxy import Identity, Proxy
from mlproxy.snapshot import Sample, Window


def read_rows(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Rows of JSON-lines files, gzipped or not. Raises: ConfigError with file and line."""
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            try:
                row = json.loads(line)
                row["profile"], row["workload"], row["result"], row["windows"], row["effective"]
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{path}:{number}: not a measured row: {error!r}") from error
            yield row


def records_of(adapter: Adapter, rows: Iterable[Mapping[str, Any]]) -> list[Record]:
    """One record per row that has a window with I/O in it, or metrics of its own: what a
    setting does counts also where its windows say nothing."""
    found = ((_record(adapter, row), row.get("metrics")) for row in rows)
    return [record for record, metrics in found if record.windows or metrics]


def records_from(adapter: Adapter, paths: Sequence[Path]) -> list[Record]:
    """Records of files of any kind: rows as `record` writes them, plain or gzipped, and
    Parquet. Raises: ConfigError naming the file."""
    found: list[Record] = []
    for path in paths:
        if path.suffix == SUFFIX:
            found += read_parquet(adapter, path)
        else:
            found += records_of(adapter, read_rows([path]))
    return found


def metrics_of(jobs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """`progress` (bytes/s), `reads_s` and `writes_s` of a run: geometric means over its
    jobs, so that a slow application weighs as much as a fast one."""
    readers = [job["iops"] for job in jobs if job["role"] == "reader"]
    writers = [job["iops"] for job in jobs if job["role"] == "writer"]
    means = {
        "progress": _mean([job["bytes_s"] for job in jobs]),
        "reads_s": _mean(readers),
        "writes_s": _mean(writers),
    }
    return {name: value for name, value in means.items() if value is not None}


def windows_of(row: Mapping[str, Any]) -> list[Window]:
    """The raw windows of a row."""
    return [Window(Sample(**raw["before"]), Sample(**raw["after"])) for raw in row["windows"]]


def setting_of(adapter: Adapter, effective: Mapping[str, str]) -> Setting:
    """The adapter's knobs as a row's effective state shows them."""
    found: dict[str, Value] = {}
    for knob in adapter.asked:
        for path, text in effective.items():
            if path.endswith(f"/{knob.path}"):
                found[knob.name] = _value(knob, text)
    return found


def _record(adapter: Adapter, row: Mapping[str, Any]) -> Record:
    setting = setting_of(adapter, row["effective"])
    proxy = _proxy(adapter, row)
    windows = tuple(_features(adapter, window, proxy, setting) for window in windows_of(row))
    return Record(
        group=f"{row['profile']}/{row['workload']}",
        setting=setting,
        windows=tuple(window for window in windows if window),
        metrics=_metrics(row),
        family=row.get("family", ""),
    )


def _metrics(row: Mapping[str, Any]) -> dict[str, float]:
    found = row.get("metrics") or metrics_of(row["result"])
    return {name: float(value) for name, value in found.items()}


def _features(
    adapter: Adapter, window: Window, proxy: Proxy, setting: Setting
) -> dict[str, float | None]:
    if adapter.idle(window):
        return {}
    try:
        found = adapter.features(window, proxy, setting)
    except Missing:
        return {}
    return found.model_dump() if adapter.teaches(found, setting) else {}


def _proxy(adapter: Adapter, row: Mapping[str, Any]) -> Proxy:
    return Proxy(
        id=f"{adapter.name}.lab",
        subsystem=adapter.name,
        device="lab",
        transport="stock",
        object_path="",
        identity=Identity("", ""),
        knobs={},
        facts=row.get("facts", {}),
    )


def _value(knob: Knob, text: str) -> Value:
    return text if knob.choices else int(text)


def _mean(values: Sequence[float]) -> float | None:
    """Geometric mean; None for no values or one that made no progress at all."""
    if not values or min(values) <= 0:
        return None
    return math.exp(sum(map(math.log, values)) / len(values))


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if path.suffix == ".gz" else data
        return text.decode().splitlines()
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
