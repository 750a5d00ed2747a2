"""What slots found out in the present phase, setting by setting. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mlproxy.gain import Gain
from mlproxy.knob import Setting, Value

FEWEST_PAIRS = 4
"""Below, the interval of a measured gain is wider than a model's doubt."""

KEPT_S = 300.0
"""A change of phase may have gone unnoticed."""

Key = frozenset[tuple[str, Value]]
"""The knobs that a setting holds away from their baselines."""

Gains = Mapping[Key, Gain]


def key_of(setting: Setting, baseline: Setting) -> Key:
    """What a setting holds away from the baseline."""
    return frozenset((knob, value) for knob, value in setting.items() if baseline[knob] != value)


class Tried:
    """Of one seat: settings that passed a check, and what was measured of each over the
    baseline. What a model predicts of such a setting is no news any more."""

    def __init__(self) -> None:
        self._passed: set[Key] = set()
        self._gains: dict[Key, tuple[Gain, int]] = {}
        self._phase_ns = 0
        self._ruling = self._spoilt = ""

    def take(
        self, ruling: str, treated: Setting, passed: bool, gain: Gain | None, now_ns: int
    ) -> None:
        """How far the trial of a ruling is. It counts from its own first pair, so that of one
        that began in another phase the gain says nothing."""
        self._ruling, key = ruling, frozenset(treated.items())
        if passed:
            self._passed.add(key)
        if gain is not None and gain.pairs >= FEWEST_PAIRS and ruling != self._spoilt:
            self._gains[key] = gain, now_ns

    def recall(self, phase_ns: int, now_ns: int) -> Gains:
        """Gains that enough pairs measured since the phase began, not too long ago."""
        if phase_ns != self._phase_ns:
            self.clear()
        self._phase_ns = phase_ns
        kept_ns = now_ns - round(KEPT_S * 1e9)
        return {key: gain for key, (gain, taken_ns) in self._gains.items() if taken_ns >= kept_ns}

    def has_passed(self, treated: Setting) -> bool:
        """True when these values passed a check."""
        return frozenset(treated.items()) in self._passed

    def clear(self) -> None:
        """Another phase began: none of it holds."""
        self._passed.clear()
        self._gains.clear()
        self._spoilt = self._ruling
