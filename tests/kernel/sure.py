"""`mlproxy` with a model that knows the test device: what is tested is all that follows.

python sure.py run --state DIR ...
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlproxy import seat
from mlproxy.adapter import Adapter
from mlproxy.cli import main
from mlproxy.columns import column_names

FAULTS_PER_MB = 2.0
"""Random reads of a mapping at 128 KiB and below are above it, sequential ones below."""

GAINS = {
    True: {4: 3.0, 16: 2.0, 32: 1.6, 64: 1.3, 128: 1.0, 512: 0.4, 2048: 0.1, 8192: 0.05},
    False: {4: 0.1, 16: 0.4, 32: 0.6, 64: 0.9, 128: 1.0, 512: 1.0, 2048: 1.0, 8192: 1.0},
}


class Sure:
    """Gains by whether the reads are random; every window is familiar."""

    digest = "5e1f5e1f5e1f"

    def __init__(self, columns: Sequence[str]) -> None:
        names = list(columns)
        self._faults = names.index("major_faults_per_mb")
        self._value = names.index("candidate.read_ahead_kb")
        self._current = names.index("current.read_ahead_kb")
        self.domain = self

    def predict(self, rows: Any, confidence: float) -> tuple[Any, Any]:
        median = np.array([self._gain(row) for row in np.asarray(rows)])
        return median, median - 0.05

    def _gain(self, row: Any) -> float:
        gains = GAINS[bool(row[self._faults] > FAULTS_PER_MB)]
        value, current = (int(row[place]) for place in (self._value, self._current))
        return math.log(gains.get(value, 1.0) / gains.get(current, 1.0))

    @staticmethod
    def knows(knob: str, value: object) -> bool:
        return True

    def distance(self, rows: Any) -> Any:
        return np.zeros(len(rows))

    def shift(self, before: Sequence[float], after: Sequence[float]) -> float:
        was, now = (vector[self._faults] > FAULTS_PER_MB for vector in (before, after))
        return 2.0 * (was != now)


def load(adapter: Adapter, where: str) -> Sure:
    return Sure(column_names(adapter.schema.names(), adapter.knobs))


if __name__ == "__main__":
    seat.load_model = load  # type: ignore[assignment]
    sys.exit(main())
