"""A setting: a load on a device, on which contenders are compared."""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.lab.matrix.loads.base import Load
from mlproxy.lab.profile import Profile

NAMED = "named"
"""The split of what a matrix names, which was not drawn."""


@dataclass(frozen=True)
class Setting:
    """`split` says what of it training may have seen (split.py)."""

    load: Load
    device: Profile
    split: str = NAMED

    @property
    def name(self) -> str:
        return f"{self.device.name}/{self.load.name}"
