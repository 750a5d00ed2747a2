"""Training: records in, a model folder out (model.ubj, domain.json, manifest.json, CARD.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.adapter import Adapter
from mlproxy.augment import COPIES, Augmentation, augmentation_of
from mlproxy.capacity import Capacity, capacity_of
from mlproxy.card import write_card
from mlproxy.columns import Array64, column_names, spread
from mlproxy.dataset import Dataset, Record, build_dataset, unit_of
from mlproxy.domain import fit_domain
from mlproxy.errors import ConfigError
from mlproxy.families import families_of
from mlproxy.gain import t_quantile
from mlproxy.knob import Setting, Value
from mlproxy.manifest import (
    DOMAIN,
    FORMAT,
    MODEL,
    Manifest,
    digest_of,
    ranges_of,
    write_manifest,
)

QUANTILES = (0.1, 0.5)
ROUNDS = 80
FOLDS = 5
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
ACT_LOG, MOST_LOG = 0.05, 1.0
"""Skill is judged on changes predicted to gain more than that, each counted up to a factor e."""

FEWEST_SURE = 5
"""Groups that a skill must show in which is only in what is sure: fewer may be chance."""

UNSURE = 1e6
"""Stretch of a model without skill: nothing that it predicts is ever sure."""

PARAMETERS: dict[str, Any] = {
    "objective": "reg:quantileerror",
    "quantile_alpha": list(QUANTILES),
    "tree_method": "hist",
    "eta": 0.3,
    "nthread": 2,
}


def train(adapter: Adapter, records: Sequence[Record], folder: Path, seed: int = 1) -> Manifest:
    """Train the adapter's surrogate on `records` and write the model into `folder`.

    Raises: ConfigError when there are fewer than two groups or nothing to compare.
    """
    data = build_dataset(adapter, records)
    if (groups := len(set(map(unit_of, data.group)))) < 2:
        raise ConfigError(f"{groups} group of records; grouped validation needs two or more")
    capacity = capacity_of(groups)
    blurred = augmentation_of(adapter.schema, capacity)
    held_out = _cross_validate(data, blurred, capacity, seed)
    booster = _fit(data, np.ones(len(data.rows), bool), blurred, capacity, seed)
    candidates = candidates_of(adapter, [record.setting for record in records])
    return write_model(adapter, data, held_out, booster, folder, candidates, seed)


def write_model(
    adapter: Adapter,
    data: Dataset,
    held_out: HeldOut,
    booster: Any,
    folder: Path,
    candidates: Mapping[str, tuple[Value, ...]],
    seed: int,
) -> Manifest:
    """Write a trained booster with its domain, calibration, manifest and card into `folder`.

    Nothing of `data` is used but what belongs to windows, labels and groups.
    """
    import xgboost

    stretch = _stretch(data, held_out)
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / MODEL)
    domain = fit_domain(data.window_rows, data.window_group, seed)
    (folder / DOMAIN).write_text(json.dumps(domain.as_dict()) + "\n")
    manifest = Manifest(
        format=FORMAT,
        adapter=adapter.name,
        adapter_version=adapter.version,
        fingerprint=adapter.schema.fingerprint(),
        columns=tuple(column_names(adapter.schema.names(), adapter.asked)),
        units={str(row["name"]): str(row["unit"]) for row in adapter.schema.describe()},
        quantiles=QUANTILES,
        stretch=stretch,
        rounds=ROUNDS,
        seed=seed,
        rows=len(data.gain_log),
        groups=tuple(sorted(set(data.group))),
        candidates=candidates,
        ranges=ranges_of(adapter, data.window_rows),
        data_sha256=data.digest,
        metrics=_metrics(data, held_out),
        families=families_of(data, held_out.gains, held_out.inside, stretch),
        sha256={name: digest_of(folder / name) for name in (MODEL, DOMAIN)},
        xgboost=xgboost.__version__,
    )
    write_manifest(folder, manifest)
    write_card(folder, adapter, manifest)
    return manifest


def candidates_of(adapter: Adapter, settings: Iterable[Setting]) -> dict[str, tuple[Value, ...]]:
    """The values of each knob in the settings, in order; a knob that never moved has none,
    since nothing is known of what it does."""
    seen = list(settings)
    found = {knob.name: {each.get(knob.name) for each in seen} for knob in adapter.asked}
    known = {name: [v for v in values if v is not None] for name, values in found.items()}
    return {
        name: tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))
        for name, values in known.items()
        if len(values) > 1
    }


def _fit(
    data: Dataset,
    shown: NDArray[np.bool_],
    augmentation: Augmentation,
    capacity: Capacity,
    seed: int,
) -> Any:
    """One booster on the augmented rows that are `shown`."""
    import xgboost

    matrix = xgboost.QuantileDMatrix(
        augmentation.copies(data.rows[shown], seed),
        label=np.tile(data.gain_log[shown], COPIES),
        weight=np.tile(data.weight[shown], COPIES),
    )
    parameters = {**PARAMETERS, **capacity.parameters, "seed": seed}
    return xgboost.train(parameters, matrix, num_boost_round=ROUNDS)


@dataclass(frozen=True)
class HeldOut:
    """Cross-validation: gains (n, 2) of every row by a model that never saw its group, and
    whether that model's domain would have let the row's window pass."""

    gains: Array64
    inside: NDArray[np.bool_]


def folds_of(groups: Iterable[str], seed: int) -> dict[str, int]:
    """The fold in which each group is left out as a whole, by `unit_of` it."""
    names = sorted(set(map(unit_of, groups)))
    order = np.random.default_rng(seed).permutation(len(names))
    return {names[place]: rank % FOLDS for rank, place in enumerate(order.tolist())}


def _cross_validate(
    data: Dataset, augmentation: Augmentation, capacity: Capacity, seed: int
) -> HeldOut:
    """Groups are left out as a whole, FOLDS times."""
    fold_of = folds_of(data.group, seed)
    folds = np.array([fold_of[unit_of(name)] for name in data.group])
    gains, inside = np.zeros((len(data.rows), 2)), np.zeros(len(data.rows), bool)
    for fold in sorted(set(fold_of.values())):
        out = folds == fold
        booster = _fit(data, ~out, augmentation, capacity, seed)
        gains[out] = booster.inplace_predict(data.rows[out])
        kept = np.unique(data.window[~out])
        names = [data.window_group[place] for place in kept]
        domain = fit_domain(data.window_rows[kept], names, seed)
        inside[out] = domain.distance(data.window_rows)[data.window[out]] <= 1.0
    return HeldOut(gains, inside)


def _stretch(data: Dataset, held_out: HeldOut) -> dict[str, float]:
    """How many times the predicted spread the lower bound of a gain must lie below its
    median to hold at each confidence.

    Conformalized quantile regression (Romano et al. 2019) in its normalised form, so that
    what is sure stays sure; judged on the candidate that would be chosen, in windows of
    groups never seen that are within the domain: what is outside is refused anyway.
    """
    chosen = _chosen(data, held_out)
    if not len(chosen):
        raise ConfigError("no held-out window resembles the others: too few workloads to validate")
    low, median = held_out.gains[chosen].T
    gain = data.gain_log[chosen]
    width = spread(median, low)
    table = {level: float(np.quantile((median - gain) / width, level)) for level in CONFIDENCES}
    if not _skilled(data, chosen[median > ACT_LOG], 2):
        # Not in all that looks good, but perhaps in what it is sure of; a bound that holds at a
        # higher confidence holds at a lower one.
        above = UNSURE
        for level in sorted(table, reverse=True):
            bound = median - max(table[level], 0.0) * width
            sure = _skilled(data, chosen[bound > ACT_LOG], FEWEST_SURE)
            above = table[level] = table[level] if sure else above
    return {str(level): round(value, 4) for level, value in table.items()}


def _skilled(data: Dataset, acted: NDArray[np.int64], fewest: int) -> bool:
    """True when these changes gain something, on so many groups at least."""
    groups = [data.group[row] for row in acted.tolist()]
    return len(set(groups)) >= fewest and _has_skill(data.gain_log[acted], groups)


def _has_skill(gain: Array64, groups: Sequence[str]) -> bool:
    """True when the changes it would make for groups never seen gain something: the 95 %
    lower bound of the mean over groups is above zero. A model of chance has none."""
    names = np.asarray(groups)
    bounded = np.clip(gain, -MOST_LOG, MOST_LOG)  # one starved run must not outvote the rest
    means = np.array([bounded[names == name].mean() for name in np.unique(names)])
    if len(means) < 2:
        return False
    error = means.std(ddof=1) / np.sqrt(len(means))
    return bool(means.mean() > t_quantile(0.95, len(means) - 1) * error)


def _chosen(data: Dataset, held_out: HeldOut) -> NDArray[np.int64]:
    """The best row of each window by predicted median, the setting in force left out."""
    rows = np.arange(len(data.own))
    changes = rows[(data.own != rows) & held_out.inside]
    best_last = changes[np.argsort(held_out.gains[changes, 1], kind="stable")]
    _, places = np.unique(data.window[best_last[::-1]], return_index=True)
    return np.asarray(best_last[::-1][places], np.int64)


def _metrics(data: Dataset, held_out: HeldOut) -> dict[str, float]:
    error = np.abs(data.gain_log - held_out.gains[:, 1])
    return {
        "median_absolute_error_log": round(float(np.median(error)), 4),
        "mean_absolute_error_log": round(float(error.mean()), 4),
        "share_inside_domain": round(float(held_out.inside.mean()), 4),
    }
