"""Evaluation: what a model is worth for workloads that it never saw.

Whole workloads are left out, on every device at once; the rest is trained and calibrated as for
a model that ships, and what is left out is judged once, by what an agent would load.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.dataset import Record, build_dataset
from mlproxy.errors import ConfigError
from mlproxy.model import Model, load_model
from mlproxy.scores import Score, Unseen, joined, scores, unseen, workload_of
from mlproxy.training import folds_of, train

CONFIDENCE = 0.9
MIN_GAIN = 0.05
"""Of a policy that says nothing else."""


def evaluate(adapter: Adapter, records: Sequence[Record], seed: int = 1) -> list[Score]:
    """Scores over all and by family, of models trained without the workloads they are judged by.

    Raises: ConfigError when too few workloads are left to train on.
    """
    return list(scores(cross_judged(adapter, records, seed), math.log1p(MIN_GAIN)))


def cross_judged(adapter: Adapter, records: Sequence[Record], seed: int = 1) -> Unseen:
    """Every row by a model that never saw its workload, on any device."""
    fold_of = folds_of((workload_of(record.group) for record in records), seed)
    if len(fold_of) < 2:
        raise ConfigError("1 workload; leaving workloads out needs two or more")
    parts = []
    for fold in sorted(set(fold_of.values())):
        out = [record for record in records if fold_of[workload_of(record.group)] == fold]
        rest = [record for record in records if fold_of[workload_of(record.group)] != fold]
        if any(record.windows for record in out):
            with tempfile.TemporaryDirectory(prefix="mlproxy-evaluate-") as name:
                train(adapter, rest, Path(name), seed)
                parts.append(judge(adapter, load_model(adapter, name), out))
    return joined(parts)


def evaluate_model(adapter: Adapter, model: Model, records: Sequence[Record]) -> list[Score]:
    """Scores of a model that is there, on groups that it was not trained on.

    Raises: ConfigError when it was trained on all of them.
    """
    seen = set(model.manifest.groups)
    unseen = [record for record in records if record.group not in seen]
    if not unseen:
        raise ConfigError("the model was trained on every group of these rows: nothing to judge by")
    return list(scores(judge(adapter, model, unseen), math.log1p(MIN_GAIN)))


def judge(adapter: Adapter, model: Model, records: Sequence[Record]) -> Unseen:
    """What a model says of records, with what was measured."""
    data = build_dataset(adapter, records)
    median, lower = model.predict(data.rows, CONFIDENCE)
    inside = model.domain.distance(data.window_rows) <= 1.0
    return unseen(data, median, lower, np.asarray(inside[data.window]))
