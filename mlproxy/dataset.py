"""Training data: what was measured at each setting, unrolled over (current, candidate,
baseline)."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.columns import Array64, Matrix, fill_rows
from mlproxy.errors import ConfigError
from mlproxy.knob import Setting, Value


@dataclass(frozen=True)
class Record:
    """One measurement: a workload on a device at one setting.

    `group` is "device/workload": records of a group differ only in the setting. `windows`
    holds one feature mapping per window; `metrics` the objective's metrics.
    """

    group: str
    setting: Setting
    windows: tuple[Mapping[str, float | None], ...]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Dataset:
    """Rows for training; `group` has one entry per row, `window` the features alone."""

    rows: Matrix
    gain_log: Array64
    group: list[str]
    window_rows: Array64
    window_group: list[str]
    digest: str


def read_records(paths: Iterable[Path]) -> list[Record]:
    """Records from JSON-lines files. Raises: ConfigError naming file and line."""
    return [record for path in paths for record in _read_file(path)]


def _read_file(path: Path) -> Iterable[Record]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            yield Record(
                str(data["group"]), data["setting"], tuple(data["windows"]), data["metrics"]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}:{number}: not a record: {error!r}") from error


def build_dataset(adapter: Adapter, records: Sequence[Record], seed: int) -> Dataset:
    """Every window of every record, against every candidate and two baselines.

    A baseline is the window's own setting, the usual one (most records) and a random one,
    so that a model serves machines whose administrators chose other values.
    """
    rng = np.random.default_rng(seed)
    by_group: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_group[record.group].append(record)
    rows, gains, groups, windows, window_groups = [], [], [], [], []
    for name, members in sorted(by_group.items()):
        means = _means(members)
        keys = sorted(means)
        for record in members:
            for window in record.windows:
                vector = _vector(adapter, window)
                windows.append(vector)
                window_groups.append(f"{name}@{_key(record.setting)}")
                picks = {_key(record.setting), keys[rng.integers(len(keys))]}
                picks.add(keys[rng.integers(len(keys))])
                for pick in sorted(picks):
                    base, base_metrics = means[pick]
                    gain = [adapter.objective.gain_log(means[k][1], base_metrics) for k in keys]
                    settings = [means[k][0] for k in keys]
                    block = fill_rows(vector, adapter.knobs, record.setting, base, settings)
                    rows.append(block)
                    gains.extend(gain)
                    groups.extend([name] * len(keys))
    if not rows:
        raise ConfigError("no records with windows: nothing to train on")
    matrix, gain_log = np.vstack(rows), np.asarray(gains)
    known = np.isfinite(gain_log)
    return Dataset(
        matrix[known],
        gain_log[known],
        [name for name, ok in zip(groups, known, strict=True) if ok],
        np.asarray(windows, float),
        window_groups,
        _digest(records),
    )


def _vector(adapter: Adapter, window: Mapping[str, float | None]) -> list[float]:
    return adapter.schema.model_validate(window).vector()


def _means(members: Sequence[Record]) -> dict[str, tuple[Setting, dict[str, float]]]:
    """Geometric mean of every metric over the repeats of each setting."""
    logs: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    settings: dict[str, Mapping[str, Value]] = {}
    for record in members:
        settings[_key(record.setting)] = record.setting
        for metric, value in record.metrics.items():
            if value > 0:
                logs[_key(record.setting)][metric].append(float(np.log(value)))
    return {
        key: (setting, {name: float(np.exp(np.mean(v))) for name, v in logs[key].items()})
        for key, setting in settings.items()
    }


def _key(setting: Setting) -> str:
    return json.dumps(dict(sorted(setting.items())))


def _digest(records: Sequence[Record]) -> str:
    text = json.dumps(
        [
            [r.group, dict(r.setting), [dict(w) for w in r.windows], dict(r.metrics)]
            for r in records
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()
