"""What static readahead gives a workload: every value of a grid, in turns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from mlproxy.lab import fio
from mlproxy.lab.arm import KnobState, readahead_arm
from mlproxy.lab.rows import metrics_of
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.workload import Workload


@dataclass(frozen=True)
class Static:
    """Progress in bytes/s by static readahead, every repeat."""

    by_kb: dict[int, list[float]]

    @property
    def means(self) -> dict[int, float]:
        """Geometric mean of all repeats."""
        return {kb: geometric_mean(speeds) for kb, speeds in self.by_kb.items()}

    @property
    def best_kb(self) -> int:
        """The value with the best mean."""
        means = self.means
        return max(means, key=means.__getitem__)

    @property
    def best(self) -> float:
        """Chosen on one half of the repeats and measured on the other, both ways."""
        return geometric_mean([self._cross(0, 1), self._cross(1, 0)])

    def _cross(self, chosen: int, measured: int) -> float:
        kb = max(self.by_kb, key=lambda each: geometric_mean(self.by_kb[each][chosen::2]))
        return geometric_mean(self.by_kb[kb][measured::2])


def measure(
    bed: TestBed, workload: Workload, grid: Sequence[int], repeats: int, run_s: float, seed: int
) -> Static:
    """Runs of `run_s` in shuffled order; the effective value is checked around each."""
    arms = {kb: readahead_arm(kb) for kb in grid}
    rows = [(kb, number) for number in range(repeats) for kb in grid]
    random.Random(f"{seed}/{workload.name}").shuffle(rows)
    found: dict[int, list[float]] = {kb: [] for kb in grid}
    knobs = KnobState(arms.values(), bed.disk, bed.devno)
    try:
        for kb, number in rows:
            knobs.apply(arms[kb])
            bed.drop_caches()
            result = fio.run(workload, bed, run_s, 0.0, seed=number)
            found[kb].append(metrics_of(result.as_json()).get("progress", 1.0))
            knobs.verify(arms[kb])
    finally:
        knobs.restore()
    return Static(found)
