"""How much a model may hold and how much its rows are blurred, by how many groups teach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MANY_GROUPS = 100
"""Where groups lie close to each other, neighbours are told apart by what is real; where there
are few, by what is chance. Chosen by the median error on groups left out: for readahead (183
groups: 0.123 instead of 0.151), against it for iosched (70 groups: 0.130 instead of 0.110)."""


@dataclass(frozen=True)
class Capacity:
    """Of one training.

    Args:
        blur, speed_blur: standard deviation of log(1 + feature): a factor where it is large,
            an amount where it is small. What reads look like is the workload's; how fast they
            are (times, rates) is also a matter of the device and of what else runs. With 0.05
            devices are told apart better, and readers that are a little unlike worse: random
            reads of another program stopped at 2.1 times the default instead of 2.6.
    """

    max_depth: int
    min_child_weight: int
    blur: float
    speed_blur: float

    @property
    def parameters(self) -> dict[str, Any]:
        """XGBoost's own names for it."""
        return {"max_depth": self.max_depth, "min_child_weight": self.min_child_weight}


FEW = Capacity(6, 10, 0.1, 0.3)
MANY = Capacity(8, 5, 0.06, 0.2)


def capacity_of(groups: int) -> Capacity:
    """For a training on so many groups."""
    return MANY if groups >= MANY_GROUPS else FEW
