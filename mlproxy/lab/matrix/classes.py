"""A table of four classes, in the way of KML: a classifier names what the windows at the default
look like, and each class has one static value, the best of it in training.

Ibrahim Umit Akgun et al., "KML: Using Machine Learning to Improve Storage Systems", 2021 (arXiv
2111.11554), where the classes are the workloads readseq, readrandom, readreverse and
readrandomwriterandom. Here: sequential, random, reverse, mixed; ours is trained on the same
rows as mlproxy. It is given its value from the start, without the time that it takes to see.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb

from mlproxy.adapter import Adapter
from mlproxy.columns import Matrix
from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.contender import DEFAULT
from mlproxy.lab.matrix.pairs import LEAST
from mlproxy.lab.rows import metrics_of, records_of, setting_of

ADAPTER = "readahead"
CLASSES = ("sequential", "random", "reverse", "mixed")
_OF_FAMILY = {
    "sequential": "sequential",
    "streams": "sequential",
    "random": "random",
    "psync-random": "random",
    "zipf": "random",
    "direct": "random",
    "gets": "random",
    "sqlite-point": "random",
    "sqlite-scan": "sequential",
    "tree-scan": "sequential",
    "reverse": "reverse",
    "rocksdb-readseq": "sequential",
    "rocksdb-readrandom": "random",
    "rocksdb-readreverse": "reverse",
}
_PARAMETERS = {
    "objective": "multi:softprob",
    "num_class": len(CLASSES),
    "max_depth": 4,
    "eta": 0.3,
    "seed": 1,
    "nthread": 1,
}
_ROUNDS = 40

Key = tuple[tuple[str, Any], ...]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A trained classifier and the static setting of each class."""

    adapter: Adapter
    booster: xgb.Booster
    best: Mapping[str, Key]

    def named(self, rows: Iterable[Row]) -> str:
        """The class that most windows of these rows look like; "mixed" without any."""
        features = _features(self.adapter, rows)
        if not len(features):
            return "mixed"
        guess = self.booster.inplace_predict(features).reshape(-1, len(CLASSES)).argmax(axis=1)
        return CLASSES[Counter(guess.tolist()).most_common(1)[0][0]]


def class_of(family: str) -> str:
    """The class that a family is."""
    return _OF_FAMILY.get(family, "mixed")


def train_table(
    adapter: Adapter, rows: Sequence[Row], baseline: Key, allowed: Iterable[Key]
) -> Table:
    """A table from rows of static settings.

    Args:
        baseline: the setting at which windows are classified, the default's.
        allowed: settings that the table may choose.

    Raises: ConfigError when the rows hold no windows at the baseline.
    """
    at_default = [row for row in rows if key_of(adapter, row) == baseline]
    found = [(_features(adapter, [row]), class_of(row["family"])) for row in at_default]
    found = [(features, name) for features, name in found if len(features)]
    if not found:
        raise ConfigError("no training rows with windows at the default setting")
    data = np.vstack([features for features, _ in found])
    labels = [CLASSES.index(name) for features, name in found for _ in range(len(features))]
    booster = xgb.train(_PARAMETERS, xgb.DMatrix(data, label=labels), _ROUNDS)
    return Table(adapter, booster, best_by_class(adapter, rows, baseline, allowed))


def best_by_class(
    adapter: Adapter, rows: Iterable[Row], baseline: Key, allowed: Iterable[Key]
) -> dict[str, Key]:
    """The allowed setting with the best mean log gain over the baseline, class by class."""
    logs: dict[tuple[str, str, str], dict[Key, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        metrics = row.get("metrics") or metrics_of(row["result"])
        if adapter.objective.metric in metrics:
            group = (class_of(row["family"]), row["profile"], row["workload"])
            value = max(metrics[adapter.objective.metric], LEAST)
            logs[group][key_of(adapter, row)].append(float(np.log(value)))
    permitted = [baseline, *allowed]
    gains: dict[str, dict[Key, list[float]]] = {name: defaultdict(list) for name in CLASSES}
    for (name, _, _), settings in logs.items():
        if baseline in settings:
            for key in permitted:
                if key in settings:
                    gain = float(np.mean(settings[key]) - np.mean(settings[baseline]))
                    gains[name][key].append(gain)
    return {name: _best(found, baseline) for name, found in gains.items()}


def key_of(adapter: Adapter, row: Row) -> Key:
    """A row's setting of the adapter's knobs, to be compared."""
    return tuple(sorted(setting_of(adapter, row["effective"]).items()))


def baseline_of(adapter: Adapter, rows: Iterable[Row]) -> Key:
    """The default's own setting. Raises: ConfigError when no row ran at the default."""
    for row in rows:
        if row["notes"]["kind"] == DEFAULT:
            return key_of(adapter, row)
    raise ConfigError("no row ran at the default")


def _best(found: Mapping[Key, Sequence[float]], baseline: Key) -> Key:
    """A setting that some groups lack competes with the mean of those it has."""
    return max(found, key=lambda key: float(np.mean(found[key])), default=baseline)


def _features(adapter: Adapter, rows: Iterable[Row]) -> Matrix:
    names = adapter.schema.names()
    windows = [window for record in records_of(adapter, rows) for window in record.windows]
    table = [[window.get(name) for name in names] for window in windows]
    return np.array(table, dtype=np.float32).reshape(-1, len(names))
