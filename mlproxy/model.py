"""A model: the surrogate that predicts the log gain of a candidate, as two quantiles.

XGBoost is imported when a model is loaded, not before: it costs half a second and 62 MB.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.adapter import Adapter
from mlproxy.columns import Matrix, spread
from mlproxy.disk import cannot
from mlproxy.domain import Domain
from mlproxy.errors import ModelError, NotPermitted
from mlproxy.knob import Value
from mlproxy.manifest import DOMAIN, MODEL, Manifest, load_manifest
from mlproxy.owner import require_owned
from mlproxy.policy import BUILTIN


class Model:
    """A loaded model; `predict` serves all proxies of an adapter in one batch."""

    def __init__(self, manifest: Manifest, domain: Domain, booster: Any) -> None:
        self.manifest = manifest
        self.domain = domain
        self._booster = booster

    @property
    def digest(self) -> str:
        """First 12 hex digits of the model file's sha256: what trust is bound to."""
        return self.manifest.sha256[MODEL][:12]

    def knows(self, knob: str, value: Value) -> bool:
        """True for a value within those of training: of another it could only guess."""
        trained = self.manifest.candidates.get(knob, ())
        numbers = [each for each in trained if isinstance(each, int)]
        if isinstance(value, int) and numbers:
            return min(numbers) <= value <= max(numbers)
        return value in trained

    def predict(self, rows: Matrix, confidence: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """(median, lower bound) log gains over the setting in force, each of shape (rows,);
        lower never above median."""
        if not len(rows):
            return np.empty(0), np.empty(0)
        low, median = self._booster.inplace_predict(rows).T
        return median, median - max(self.stretch(confidence), 0.0) * spread(median, low)

    def stretch(self, confidence: float) -> float:
        """Spreads below the median, for the smallest calibrated confidence that is enough."""
        table = sorted((float(key), value) for key, value in self.manifest.stretch.items())
        for level, value in table:
            if level >= confidence - 1e-9:
                return value
        raise ModelError(
            f"confidence {confidence} asked; the model is calibrated to {table[-1][0]}"
        )

    def contributions(self, rows: Matrix) -> list[dict[str, float]]:
        """Log-gain contribution of each column to each row's median (TreeSHAP)."""
        import xgboost

        values = self._booster.predict(xgboost.DMatrix(rows), pred_contribs=True)
        median = values[:, -1, :-1] if values.ndim == 3 else values[:, :-1]
        return [dict(zip(self.manifest.columns, row, strict=True)) for row in median.tolist()]


def load_model(adapter: Adapter, where: str = BUILTIN) -> Model:
    """The adapter's own model, or the one in the folder `where`.

    Raises:
        ModelError: missing, altered, writable by others, or made for another adapter.
        NotPermitted: this user may not read it.
    """
    folder = adapter.home() / "model" if where == BUILTIN else Path(where)
    try:
        if not folder.is_dir():
            lacks = "it ships none" if where == BUILTIN else f"{folder} does not exist"
            raise ModelError(f"no model: {lacks}")
        check_private(folder)
    except OSError as error:
        raise cannot("read", folder, error, ModelError) from error
    manifest = load_manifest(folder, adapter)
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(folder / MODEL)
        domain = Domain.from_dict(json.loads((folder / DOMAIN).read_text()))
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ModelError(f"{folder}: not a model that XGBoost can load: {first}") from error
    booster.set_param({"nthread": 1})
    return Model(manifest, domain, booster)


def check_private(folder: Path) -> None:
    """Refuse a folder, or a file in it, that somebody else may change (promise 8)."""
    try:
        for path in (folder, *sorted(folder.iterdir())):
            require_owned(path, path.stat())
    except NotPermitted as error:
        raise ModelError(str(error)) from error
