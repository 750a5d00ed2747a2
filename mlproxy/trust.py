"""The trust store: which mode a change of direction has earned, and what regressed.

Kept across restarts in `<state>/trust.json`. Trust lets the agent act at once, so a file
that is corrupt, or that others may write to, means no trust: that is safe, and said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlproxy.disk import atomic_write_json, read_json
from mlproxy.errors import MlproxyError
from mlproxy.knob import Value
from mlproxy.mode import Mode
from mlproxy.proxy import Proxy

NAME = "trust.json"
"""In the state folder."""

VERSION = 1
_UNREADABLE = (
    OSError,
    ValueError,
    OverflowError,
    KeyError,
    TypeError,
    RecursionError,
    MlproxyError,
)
FIRST_REGRESSION_S = 600.0
LONGEST_REGRESSION_S = 86_400.0
MOST_OVERRIDES = 16


@dataclass(frozen=True)
class Key:
    """What trust is earned for: raising says nothing of lowering.

    Args:
        proxy: `identity_key()` of the proxy.
        model: sha256 of the model.
        direction: "up", "down" or a name, as in a recommendation.
    """

    proxy: str
    model: str
    knob: str
    direction: str


@dataclass(frozen=True)
class Trust:
    """What has been earned: the mode, k trials that failed before, pairs judged, their gain.

    `gain` is ratio - 1. k outlives the trust itself: each failure raises the bar.
    """

    mode: Mode = Mode.LEARNING
    k: int = 0
    pairs: int = 0
    gain: float = 0.0


@dataclass(frozen=True)
class Regression:
    """A value that was measured to be worse, for `left_s` more seconds; gain is ratio - 1."""

    value: Value
    direction: str
    gain: float
    left_s: float


@dataclass(frozen=True)
class _Remembered:
    """A regression as stored; `when_s` is wall-clock time, as it must outlive a boot."""

    proxy: str
    knob: str
    value: Value
    direction: str
    gain: float
    when_s: float
    times: int

    @property
    def lasts_s(self) -> float:
        """Ten minutes, doubled each time that it happened again, at most a day."""
        return min(FIRST_REGRESSION_S * 2.0 ** min(self.times - 1, 20), LONGEST_REGRESSION_S)

    def left_s(self, now_s: float) -> float:
        """Time to go; a clock set back or far forward does not make it immortal."""
        return self.lasts_s - abs(now_s - self.when_s)

    def known_s(self, now_s: float) -> float:
        """Time for which a repetition still doubles: a day after it was last seen."""
        return LONGEST_REGRESSION_S + self.left_s(now_s)


def identity_key(proxy: Proxy) -> str:
    """The same object again after a restart, or a boot when the device names itself."""
    identity = proxy.identity
    if identity.serial:
        return f"{proxy.subsystem}:{identity.serial}"
    return f"{proxy.subsystem}:{identity.devno}:{identity.diskseq}:{identity.boot_id}"


@dataclass
class TrustStore:
    """Trust and regressions in memory, and their file. `problem` says why it began empty."""

    path: Path
    clock_s: Callable[[], float] = time.time
    problem: str = ""
    _trust: dict[Key, Trust] = field(default_factory=dict)
    _regressions: dict[tuple[str, str, Value], _Remembered] = field(default_factory=dict)
    _overrides: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, clock_s: Callable[[], float] = time.time) -> TrustStore:
        """The store in `path`; an absent file is an empty store, a bad one too, with `problem`."""
        store = cls(path, clock_s)
        try:
            if path.exists():
                store._fill(read_json(path))
        except _UNREADABLE as error:
            store._trust.clear()
            store._regressions.clear()
            store._overrides.clear()
            store.problem = f"no trust is assumed: {path}: {type(error).__name__}: {error}"
        return store

    def get(self, key: Key) -> Trust | None:
        """What this model earned for this direction; None when nothing."""
        return self._trust.get(key)

    def put(self, key: Key, trust: Trust) -> None:
        """Remember what was earned; what another model earned for the knob is lost."""
        self._drop(lambda old: (old.proxy, old.knob) == (key.proxy, key.knob), key.model)
        self._trust[key] = trust
        self._save()

    def regress(self, key: Key, value: Value, gain: float) -> float:
        """Lose the mode of a key, raise its bar, remember the value; returns for how long."""
        self._trust[key] = Trust(k=self._trust.get(key, Trust()).k + 1)
        now_s, place = self.clock_s(), (key.proxy, key.knob, value)
        self._forget(now_s)
        times = self._regressions[place].times + 1 if place in self._regressions else 1
        remembered = _Remembered(
            key.proxy, key.knob, value, key.direction, gain, when_s=now_s, times=times
        )
        self._regressions[place] = remembered
        self._save()
        return remembered.lasts_s

    def regressions(self, proxy: str, knob: str) -> tuple[Regression, ...]:
        """Those of one knob that are still remembered."""
        now_s = self.clock_s()
        return tuple(
            Regression(item.value, item.direction, item.gain, item.left_s(now_s))
            for item in self._regressions.values()
            if (item.proxy, item.knob) == (proxy, knob) and item.left_s(now_s) > 0
        )

    def overridden(self, proxy: str, knob: str) -> None:
        """Somebody else wrote a knob over our value."""
        self._overrides.setdefault((proxy, knob), []).append(self.clock_s())
        self._save()

    def overrides(self, proxy: str, knob: str) -> int:
        """How often that happened in the last day."""
        now_s = self.clock_s()
        moments = self._overrides.get((proxy, knob), ())
        return sum(abs(now_s - when_s) < LONGEST_REGRESSION_S for when_s in moments)

    def _drop(self, about: Callable[[Key], bool], model: str) -> None:
        self._trust = {
            key: trust for key, trust in self._trust.items() if key.model == model or not about(key)
        }

    def _forget(self, now_s: float) -> None:
        self._regressions = {
            place: item for place, item in self._regressions.items() if item.known_s(now_s) > 0
        }

    def _fill(self, document: dict[str, Any]) -> None:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']!r}, {VERSION} is known")
        for row in document["trust"]:
            self._trust[Key(**row["key"])] = _trust(row["trust"])
        for row in document["regressions"]:
            item = _remembered(row)
            self._regressions[item.proxy, item.knob, item.value] = item
        for row in document["overrides"]:
            place = (str(row["proxy"]), str(row["knob"]))
            self._overrides[place] = [float(when_s) for when_s in row["when_s"]]

    def _save(self) -> None:
        rows = [{"key": asdict(key), "trust": asdict(trust)} for key, trust in self._trust.items()]
        regressions = [asdict(item) for item in self._regressions.values()]
        overrides = [
            {"proxy": proxy, "knob": knob, "when_s": moments[-MOST_OVERRIDES:]}
            for (proxy, knob), moments in self._overrides.items()
        ]
        document = {
            "version": VERSION,
            "trust": rows,
            "regressions": regressions,
            "overrides": overrides,
        }
        try:
            atomic_write_json(self.path, document)
        except MlproxyError as error:
            self.problem = f"trust is not kept for the next start: {error}"


def _trust(row: dict[str, Any]) -> Trust:
    trust = Trust(**row)
    return replace(trust, mode=Mode(trust.mode), k=max(int(trust.k), 0), pairs=int(trust.pairs))


def _remembered(row: dict[str, Any]) -> _Remembered:
    item = _Remembered(**row)
    if not isinstance(item.value, int | str):
        raise ValueError(f"regression value {item.value!r}; an integer or a name is allowed")
    return replace(item, when_s=float(item.when_s), gain=float(item.gain), times=int(item.times))
