"""Contenders: the kernel's default, static values, TuneD, and mlproxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlproxy.adapter import Adapter
from mlproxy.knob import Setting as KnobSetting
from mlproxy.lab.arm import Arm
from mlproxy.lab.matrix.tuned import Read, tuned_arm
from mlproxy.lab.sweep import setting_arm

DEFAULT, STATIC, TUNED, AGENT = "default", "static", "tuned", "mlproxy"
KINDS = (STATIC, TUNED, AGENT)
"""What a matrix may ask for; the default runs always."""


@dataclass(frozen=True)
class Contender:
    """One of those that are compared; its name is its arm's."""

    kind: str
    arm: Arm

    @property
    def name(self) -> str:
        return self.arm.name


def contenders(
    adapter: Adapter,
    kinds: Sequence[str],
    candidates: Sequence[KnobSetting],
    read: Read,
) -> list[Contender]:
    """The default, then those that are asked for.

    Args:
        candidates: static settings; empty for all that the adapter sweeps.
        read: a knob's value in force on the bed's disk.
    """
    found = [Contender(DEFAULT, Arm(DEFAULT, ()))]
    if STATIC in kinds:
        settings = candidates or adapter.sweep()
        found += [Contender(STATIC, setting_arm(adapter, each)) for each in settings]
    if TUNED in kinds:
        found.append(Contender(TUNED, tuned_arm(read)))
    if AGENT in kinds:
        found.append(Contender(AGENT, Arm(AGENT, ())))
    return found


def by_kind(found: Sequence[Contender]) -> Mapping[str, str]:
    """Kind by name."""
    return {each.name: each.kind for each in found}
