"""What spoke for a candidate: the share of each column in a predicted gain.

TreeSHAP over the model's own trees (Lundberg et al. 2020). The model predicts gains over the
setting in force, so that the gain of a candidate over the baseline is the difference of two of
its predictions, and so is each column's share in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlproxy.adapter import Adapter
from mlproxy.columns import fill_rows
from mlproxy.knob import Setting
from mlproxy.model import Model


def contributions(
    adapter: Adapter,
    model: Model,
    features: Mapping[str, float | None],
    setting: Setting,
    baseline: Setting,
    candidate: Setting,
) -> dict[str, float]:
    """Log gain of `candidate` over `baseline` by column, the strongest first.

    Args:
        features: one window, seen while `setting` was in force.
    """
    vector = adapter.schema.model_validate(features).vector()
    over = model.contributions(fill_rows(vector, adapter.asked, setting, [candidate, baseline]))
    shares = {name: over[0][name] - over[1][name] for name in over[0]}
    return dict(sorted(shares.items(), key=lambda item: -abs(item[1])))
