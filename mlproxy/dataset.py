"""Training data: what was measured at each setting, unrolled over (current, candidate)."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlproxy.adapter import Adapter
from mlproxy.columns import Array64, Matrix, fill_rows
from mlproxy.errors import ConfigError
from mlproxy.knob import Setting, Value
from mlproxy.weights import Noise, noise_of, row_variance


@dataclass(frozen=True)
class Record:
    """One measurement: a workload on a device at one setting.

    `group` is "device/workload": records of a group differ only in the setting. `windows`
    holds one feature mapping per window; `metrics` the objective's metrics. `family` names
    workloads that behave alike. `variance` is that of the log of its performance where the
    record itself tells it (a trial of many pairs), else repeats do; `weight` makes up for how
    seldom it would have been seen.
    """

    group: str
    setting: Setting
    windows: tuple[Mapping[str, float | None], ...]
    metrics: Mapping[str, float]
    family: str = ""
    variance: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Dataset:
    """Rows for training.

    Args:
        rows: shape (n, columns), see columns.py.
        gain_log: shape (n,), log performance of the row's candidate over the setting that
            was in force in its window. The gain over any baseline is the difference of two
            of them, so that one model serves every baseline.
        own: shape (n,), index of the row of the same window whose candidate is the setting
            in force.
        window: shape (n,), index into window_rows.
        group: one entry per row.
        window_rows, window_group: the features alone, one row per window.
        weight: shape (n,), mean 1: rows that are known better weigh more.
        families: family by group.
    """

    rows: Matrix
    gain_log: Array64
    own: NDArray[np.int64]
    window: NDArray[np.int64]
    group: list[str]
    window_rows: Array64
    window_group: list[str]
    digest: str
    weight: Array64
    families: Mapping[str, str]


def unit_of(group: str) -> str:
    """What is left out as a whole: after "#" stands a case, of one agent or of one workload."""
    return group.partition("#")[0]


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


def build_dataset(adapter: Adapter, records: Sequence[Record]) -> Dataset:
    """Every window of every record against every setting that its group was measured at.

    Raises: ConfigError when there is nothing to train on.
    """
    by_group: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_group[record.group].append(record)
    blocks: list[Matrix] = []
    windows: list[list[float]] = []
    gains: list[float] = []
    groups: list[str] = []
    window_groups: list[str] = []
    own: list[int] = []
    place: list[int] = []
    weights: list[float] = []
    noise = noise_of({name: _repeats(adapter, each) for name, each in by_group.items()})
    for name, members in sorted(by_group.items()):
        settings, score = _scores(adapter, members)
        keys = [_key(setting) for setting in settings]
        for record in members:
            if _key(record.setting) not in keys:
                continue
            mine = keys.index(_key(record.setting))
            gain = [value - score[mine] for value in score]
            sure = _weights(noise, name, members, keys, mine)
            for window in record.windows:
                vector = adapter.schema.model_validate(window).vector()
                place += [len(windows)] * len(keys)
                windows.append(vector)
                window_groups.append(f"{name}@{_key(record.setting)}")
                own += [len(groups) + mine] * len(keys)
                blocks.append(fill_rows(vector, adapter.asked, record.setting, settings))
                gains += gain
                weights += sure
                groups += [name] * len(keys)
    if not blocks:
        raise ConfigError("no records with windows: nothing to train on")
    return Dataset(
        np.vstack(blocks),
        np.asarray(gains),
        np.asarray(own),
        np.asarray(place),
        groups,
        np.asarray(windows, float),
        window_groups,
        _digest(records),
        np.asarray(weights) / np.mean(weights),
        {record.group: record.family for record in records},
    )


def _repeats(adapter: Adapter, members: Sequence[Record]) -> dict[str, list[float]]:
    """Log performance of every run, by setting, over one reference of the group."""
    reference = max((record.metrics for record in members), key=len)
    runs: dict[str, list[float]] = defaultdict(list)
    for record in members:
        runs[_key(record.setting)].append(adapter.objective.gain_log(record.metrics, reference))
    return runs


def _weights(
    noise: Noise, group: str, members: Sequence[Record], keys: Sequence[str], own: int
) -> list[float]:
    """One weight per candidate of a window that was seen at the setting number `own`."""
    variances, rarity = [], []
    for key in keys:
        same = [record for record in members if _key(record.setting) == key]
        told = [record.variance for record in same if record.variance is not None]
        variances.append(min(told) if told else noise.of(group) / len(same))
        rarity.append(max(record.weight for record in same))
    return [
        rare / row_variance(variance, variances[own])
        for rare, variance in zip(rarity, variances, strict=True)
    ]


def _scores(adapter: Adapter, members: Sequence[Record]) -> tuple[list[Setting], list[float]]:
    """Settings of a group and the score of each; one that cannot be compared is left out."""
    means = means_of(members)
    reference = max((mean for _, mean in means.values()), key=len)
    gains = {key: adapter.objective.gain_log(mean, reference) for key, (_, mean) in means.items()}
    known = {key: gain for key, gain in gains.items() if np.isfinite(gain)}
    return [means[key][0] for key in known], list(known.values())


def means_of(members: Sequence[Record]) -> dict[str, tuple[Setting, dict[str, float]]]:
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
            [r.group, dict(r.setting), [dict(w) for w in r.windows], dict(r.metrics), *_extra(r)]
            for r in records
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _extra(record: Record) -> list[float | None]:
    """What only records of trials have."""
    plain = record.variance is None and record.weight == 1.0
    return [] if plain else [record.variance, record.weight]
