"""Which settings training may see, fixed by hash before anything is trained.

A setting belongs to the first that applies: `family`, its whole family is held out; `device`, its
device is; `parameters`, it is itself; `training`, the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mlproxy.lab.profile import Profile
from mlproxy.lab.workload import Workload

TRAINING, PARAMETERS, DEVICE, FAMILY = "training", "parameters", "device", "family"
HELD_OUT = (PARAMETERS, DEVICE, FAMILY)
DEVICE_SHARE = 0.25
PARAMETER_SHARE = 0.25


@dataclass(frozen=True)
class Splits:
    """Held-out families and devices under one seed."""

    seed: int
    families: frozenset[str]
    devices: frozenset[str]

    @classmethod
    def of(cls, seed: int, families: Sequence[str], devices: Sequence[str]) -> Splits:
        """One family in five and one device in four, at least one: the first by hash."""
        return cls(
            seed,
            frozenset(_first(seed, families, max(1, len(families) // 5))),
            frozenset(_first(seed, devices, max(1, round(len(devices) * DEVICE_SHARE)))),
        )

    def of_setting(self, workload: Workload, device: Profile) -> str:
        """The split of a workload on a device."""
        return self.split(workload.family, device.name, f"{device.name}/{workload.name}")

    def split(self, family: str, device: str, name: str) -> str:
        """The split of the setting `name`."""
        if family in self.families:
            return FAMILY
        if device in self.devices:
            return DEVICE
        return PARAMETERS if _share(self.seed, name) < PARAMETER_SHARE else TRAINING


def _share(seed: int, name: str) -> float:
    digest = hashlib.sha256(f"split/{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _first(seed: int, names: Sequence[str], count: int) -> list[str]:
    return sorted(set(names), key=lambda name: _share(seed, name))[:count]
