"""Training: records in, a model folder out (model.ubj, domain.json, manifest.json)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.columns import Array64, Matrix, column_names
from mlproxy.dataset import Dataset, Record, build_dataset
from mlproxy.domain import fit_domain
from mlproxy.errors import ConfigError
from mlproxy.manifest import DOMAIN, FORMAT, MODEL, Manifest, digest_of, write_manifest

QUANTILES = (0.1, 0.5)
ROUNDS = 80
FOLDS = 5
CONFIDENCES = (0.8, 0.9, 0.95, 0.99)
DROP_SHARE = 0.1
PARAMETERS: dict[str, Any] = {
    "objective": "reg:quantileerror",
    "quantile_alpha": list(QUANTILES),
    "tree_method": "hist",
    "max_depth": 4,
    "eta": 0.12,
    "min_child_weight": 8,
    "subsample": 0.8,
    "nthread": 2,
}


def train(adapter: Adapter, records: Sequence[Record], folder: Path, seed: int = 1) -> Manifest:
    """Train the adapter's surrogate on `records` and write the model into `folder`.

    Raises: ConfigError when there are fewer than two groups or nothing to compare.
    """
    import xgboost

    data = build_dataset(adapter, records, seed)
    groups = sorted(set(data.group))
    if len(groups) < 2:
        raise ConfigError(f"{len(groups)} group of records; grouped validation needs two or more")
    optional = [n not in adapter.schema.required() for n in adapter.schema.names()]
    held_out = _cross_validate(data, optional, seed)
    booster = _fit(data.rows, data.gain_log, optional, seed)
    folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(folder / MODEL)
    domain = fit_domain(data.window_rows, data.window_group, seed)
    (folder / DOMAIN).write_text(json.dumps(domain.as_dict()) + "\n")
    manifest = Manifest(
        format=FORMAT,
        adapter=adapter.name,
        adapter_version=adapter.version,
        fingerprint=adapter.schema.fingerprint(),
        columns=tuple(column_names(adapter.schema.names(), adapter.knobs)),
        units={str(row["name"]): str(row["unit"]) for row in adapter.schema.describe()},
        quantiles=QUANTILES,
        margin=_margins(data.gain_log, held_out[:, 0]),
        rounds=ROUNDS,
        seed=seed,
        rows=len(data.rows),
        groups=tuple(groups),
        data_sha256=data.digest,
        metrics=_metrics(data, held_out),
        sha256={name: digest_of(folder / name) for name in (MODEL, DOMAIN)},
        xgboost=xgboost.__version__,
    )
    write_manifest(folder, manifest)
    return manifest


def _fit(rows: Matrix, gain_log: Array64, optional: Sequence[bool], seed: int) -> Any:
    """One booster; optional features are blanked at random so that absence is known."""
    import xgboost

    rng = np.random.default_rng(seed)
    shown = rows.copy()
    for place, may_miss in enumerate(optional):
        if may_miss:
            shown[rng.random(len(shown)) < DROP_SHARE, place] = np.nan
    matrix = xgboost.QuantileDMatrix(shown, label=gain_log)
    return xgboost.train({**PARAMETERS, "seed": seed}, matrix, num_boost_round=ROUNDS)


def _cross_validate(data: Dataset, optional: Sequence[bool], seed: int) -> Array64:
    """Predictions (rows, 2) for every row by a model that never saw its group."""
    groups = sorted(set(data.group))
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {groups[place]: rank % FOLDS for rank, place in enumerate(order.tolist())}
    folds = np.array([fold_of[name] for name in data.group])
    found = np.zeros((len(data.rows), 2))
    for fold in range(min(FOLDS, len(groups))):
        inside = folds == fold
        booster = _fit(data.rows[~inside], data.gain_log[~inside], optional, seed)
        found[inside] = booster.inplace_predict(data.rows[inside])
    return found


def _margins(gain_log: Array64, low: Array64) -> dict[str, float]:
    """Conformal margins: how much the low quantile must fall to hold at each confidence."""
    short = np.sort(low - gain_log)
    return {str(level): round(float(np.quantile(short, level)), 5) for level in CONFIDENCES}


def _metrics(data: Dataset, held_out: Array64) -> dict[str, float]:
    error = np.abs(data.gain_log - held_out[:, 1])
    return {
        "median_absolute_error_log": round(float(np.median(error)), 4),
        "mean_absolute_error_log": round(float(error.mean()), 4),
        "coverage_of_low_quantile": round(float((data.gain_log >= held_out[:, 0]).mean()), 4),
    }
