"""Evidence: what the windows of the present phase say, at one setting of the knobs.

A new phase is a window unlike the mean of those before; evidence gathered at another
setting or in another phase is never mixed with it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from mlproxy.domain import Domain
from mlproxy.features import FeatureSchema
from mlproxy.knob import Setting

DEPTH = 4
"""Windows averaged; more would only slow the agent down after a change it did not notice."""


class Evidence:
    """The last windows of one proxy in one phase."""

    def __init__(self) -> None:
        self._vectors: deque[list[float]] = deque(maxlen=DEPTH)
        self.setting: Setting = {}
        self.features: FeatureSchema | None = None

    def add(self, features: FeatureSchema, setting: Setting, domain: Domain | None) -> bool:
        """Take one window in; True when it starts a new phase."""
        vector = features.vector()
        known = bool(self._vectors) and self.setting == dict(setting)
        shifted = known and domain is not None and domain.shift(self.mean(), vector) > 1.0
        if not known or shifted:
            self._vectors.clear()
        self._vectors.append(vector)
        self.setting = dict(setting)
        self.features = features
        return shifted

    def clear(self) -> None:
        """Forget everything, as after a change of the setting."""
        self._vectors.clear()
        self.features = None

    def __len__(self) -> int:
        return len(self._vectors)

    def mean(self) -> Sequence[float]:
        """Mean of each feature over the windows that have it; NaN where none has."""
        return [
            _mean([v for v in each if math.isfinite(v)])
            for each in zip(*self._vectors, strict=True)
        ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
