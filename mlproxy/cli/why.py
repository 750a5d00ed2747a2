"""Which columns of a model's input spoke for a logged decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.cli.schema import Contribution
from mlproxy.columns import column_names, fill_rows
from mlproxy.contributions import contributions
from mlproxy.errors import MlproxyError
from mlproxy.model import load_model
from mlproxy.registry import load_registry

MOST = 6
LEAST_LOG = 0.005


def strongest(decision: Mapping[str, Any]) -> tuple[Contribution, ...]:
    """The columns that matter, the strongest first; () where the model that decided is not the
    shipped one, nothing was proposed, or the entry does not say what was in force."""
    setting, baselines = decision.get("setting"), decision.get("baselines")
    if not setting or not baselines or decision.get("proposed") == decision.get("baseline"):
        return ()
    try:
        adapter = load_registry().get(decision["adapter"])
        model = load_model(adapter)
        if model.digest != decision.get("model"):
            return ()
        candidate = {**baselines, decision["knob"]: decision["proposed"]}
        found = contributions(adapter, model, decision["features"], setting, baselines, candidate)
    except (MlproxyError, KeyError, ValueError):
        return ()  # what was decided is told all the same
    values = _values(adapter, decision["features"], setting, candidate)
    return tuple(
        Contribution(column=name, value=values[name], factor=math.exp(log))
        for name, log in list(found.items())[:MOST]
        if abs(log) >= LEAST_LOG
    )


def _values(
    adapter: Adapter, features: Mapping[str, float | None], setting: Any, candidate: Any
) -> dict[str, float | None]:
    """What the model was shown, by column."""
    vector = adapter.schema.model_validate(features).vector()
    names = column_names(adapter.schema.names(), adapter.asked)
    row = fill_rows(vector, adapter.asked, setting, [candidate])[0].tolist()
    shown = zip(names, row, strict=True)
    return {name: None if math.isnan(value) else value for name, value in shown}
