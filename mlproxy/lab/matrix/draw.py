"""Drawing from a seed: every number depends on its own label alone, so that adding one
parameter, or asking for more settings, changes no other."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Draw:
    """Numbers for one label under one seed."""

    seed: int
    label: str

    def share(self, what: str) -> float:
        """Uniform in [0, 1)."""
        text = f"{self.seed}/{self.label}/{what}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64

    def between(self, what: str, low: float, high: float) -> float:
        """Uniform between two bounds."""
        return low + (high - low) * self.share(what)

    def log_between(self, what: str, low: float, high: float) -> float:
        """Uniform on the log scale, rounded to two digits that matter."""
        found = math.exp(self.between(what, math.log(low), math.log(high)))
        return float(f"{found:.2g}")

    def one_of(self, what: str, items: Sequence[Item]) -> Item:
        """One of several, equally likely."""
        return items[int(self.share(what) * len(items))]
