"""Learning from outcomes, beside recorded rows, without unlearning: a fixed part of the recorded
workloads is never trained on while it is decided whether the outcomes help."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.clustered import clustered_ratio
from mlproxy.columns import Array64
from mlproxy.dataset import Record
from mlproxy.errors import ConfigError, NoBetter
from mlproxy.evaluation import MIN_GAIN, judge
from mlproxy.manifest import Manifest
from mlproxy.model import load_model
from mlproxy.scores import Unseen, regrets, workload_of
from mlproxy.training import train

HELD_OUT_OF = 4
"""Every so manieth workload is kept for validation, by a hash of its name."""

SEEDS = 3
"""Trainings that are averaged: one and the same data trained twice differ by some percent."""

ALLOWED_LOG = 0.05
"""So much more regret is noise."""


@dataclass(frozen=True)
class Comparison:
    """Mean regret (log gain missed per window) on the validation workloads, trained without and
    with the outcomes."""

    before_log: float
    after_log: float
    lower_log: float
    windows: int
    workloads: int

    @property
    def lost(self) -> bool:
        """True when the outcomes made it worse: surely, or by more than noise."""
        worse = self.after_log - self.before_log
        return worse > ALLOWED_LOG or (worse > 0 and self.lower_log > 0)

    def said(self) -> str:
        """Both numbers in words."""
        before, after = (math.expm1(each) for each in (self.before_log, self.after_log))
        return (
            f"regret on {self.workloads} validation workloads: {before:.2%} without the outcomes, "
            f"{after:.2%} with them"
        )


def relearn(
    adapter: Adapter,
    rows: Sequence[Record],
    outcomes: Sequence[Record],
    folder: Path,
    seed: int = 1,
) -> tuple[Manifest, Comparison]:
    """Train on rows and outcomes, and write the model, unless it is worse on the validation split.

    Raises:
        NoBetter: it is worse; nothing was written.
        ConfigError: no outcomes to learn from, or too few workloads to validate.
    """
    if not outcomes:
        raise ConfigError("the logs hold no trial to learn from")
    found = compare(adapter, rows, outcomes, seed)
    if found.lost:
        raise NoBetter(f"{found.said()}: nothing was written")
    return train(adapter, [*rows, *outcomes], folder, seed), found


def compare(
    adapter: Adapter, rows: Sequence[Record], outcomes: Sequence[Record], seed: int = 1
) -> Comparison:
    """What the outcomes do to workloads that neither model saw."""
    kept = [record for record in rows if is_validation(record.group)]
    rest = [record for record in rows if not is_validation(record.group)]
    if not kept or not rest:
        raise ConfigError("too few recorded workloads to keep some for validation")
    before, clusters = _regrets(adapter, rest, kept, seed)
    after, _ = _regrets(adapter, [*rest, *outcomes], kept, seed)
    apart = clustered_ratio(after - before, np.ones(len(after)), clusters)
    return Comparison(
        before_log=float(before.mean()),
        after_log=float(after.mean()),
        lower_log=apart.lower,
        windows=len(after),
        workloads=apart.clusters,
    )


def is_validation(group: str) -> bool:
    """True for the workloads that are kept for validation: always the same."""
    digest = hashlib.sha256(workload_of(group).encode()).digest()
    return digest[0] % HELD_OUT_OF == 0


def _regrets(
    adapter: Adapter, shown: Sequence[Record], kept: Sequence[Record], seed: int
) -> tuple[Array64, list[str]]:
    found = [
        regrets(judged_by(adapter, shown, kept, each), math.log1p(MIN_GAIN))
        for each in range(seed, seed + SEEDS)
    ]
    return np.mean([missed for missed, _ in found], axis=0), found[0][1]


def judged_by(
    adapter: Adapter, shown: Sequence[Record], kept: Sequence[Record], seed: int
) -> Unseen:
    """What a model of `shown` says of `kept`."""
    with tempfile.TemporaryDirectory(prefix="mlproxy-relearn-") as name:
        train(adapter, shown, Path(name), seed)
        return judge(adapter, load_model(adapter, name), kept)
