"""Named device profiles of the test bed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlproxy.errors import ConfigError, LabError


@dataclass(frozen=True)
class Profile:
    """What a modelled device costs.

    `latency_us` is the fixed service time of one request on its channel, `bandwidth_mb_s`
    the shared bus in 10**6 bytes per second (`math.inf`: no limit), `channels` the number of
    requests served at once, `seek_ms` a full-stroke seek (0: the device does not seek; a
    device that seeks has one head, so one channel). With `volatile_cache`, writes that no
    flush followed are lost when the power is cut.
    """

    name: str
    latency_us: float
    bandwidth_mb_s: float
    channels: int
    seek_ms: float = 0.0
    volatile_cache: bool = False

    def __post_init__(self) -> None:
        if self.latency_us < 0 or self.seek_ms < 0:
            raise LabError(f"profile {self.name!r}: latency_us and seek_ms must be 0 or more")
        if not self.bandwidth_mb_s > 0:
            raise LabError(f"profile {self.name!r}: bandwidth_mb_s must be above 0")
        if self.channels < 1 or (self.seek_ms and self.channels != 1):
            allowed = "exactly 1 for a device that seeks" if self.seek_ms else "1 or more"
            raise LabError(f"profile {self.name!r}: channels is {self.channels}; must be {allowed}")

    @property
    def rotational(self) -> bool:
        """Whether the kernel should be told that this device seeks."""
        return self.seek_ms > 0


# The solid-state ones are slower than real hardware by about ten: below 200 us the scheduling
# noise of a small host is as large as the device itself.
_ALL = (
    Profile("ssd-dilated", latency_us=1000, bandwidth_mb_s=50, channels=8),
    Profile("ssd-5ms", latency_us=5000, bandwidth_mb_s=100, channels=8),
    Profile("disk-seek", latency_us=100, bandwidth_mb_s=100, channels=1, seek_ms=10.5),
    Profile("stick", latency_us=1000, bandwidth_mb_s=20, channels=8),
    Profile("fast", latency_us=0, bandwidth_mb_s=math.inf, channels=64),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})


def profiles_named(names: Sequence[str]) -> list[Profile]:
    """Those profiles. Raises: ConfigError that lists all, for a name that there is not."""
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        raise ConfigError(f"no device profile {unknown[0]!r}; there is: {', '.join(PROFILES)}")
    return [PROFILES[name] for name in names]
