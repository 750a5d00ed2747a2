"""The public contract of an adapter: all that `mlproxy` asks of a subsystem.

An adapter is a subclass of `Adapter` in an installed package, named by one line in the
entry-point group "mlproxy.adapters". It declares; the core reads, decides and writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from mlproxy.features import FeatureSchema
from mlproxy.knob import Knob, Setting, Value
from mlproxy.objective import Objective
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample, Window

Subject = Literal["bdi", "disk", "host"]
"""The kernel object that holds the knobs: /sys/class/bdi/*, /sys/block/* or the host."""


class ObjectFiles(Protocol):
    """Read-only view of the files around a proxy, for checks of the effective state."""

    def read(self, path: str) -> str | None:
        """Text of `path` relative to the object's directory, stripped; None if absent."""

    def debug(self, path: str) -> str | None:
        """Text of `path` under debugfs' block/<disk>/; None if absent or refused."""


class Missing(Exception):
    """A window does not carry what a required feature needs; str() says what and why."""


class Adapter(ABC):
    """One subsystem: its object, knobs, features, objective, policy and model."""

    name: ClassVar[str]
    version: ClassVar[str]
    subject: ClassVar[Subject]
    knobs: ClassVar[tuple[Knob, ...]]
    """In the order in which they are restored."""
    schema: ClassVar[type[FeatureSchema]]
    objective: ClassVar[Objective]
    facts: ClassVar[Mapping[str, str]] = {}
    """Fact name to a file relative to the object; its number is read once per proxy."""
    reads: ClassVar[frozenset[str]] = frozenset()
    """Attributes of a sample that cost a file of their own, by prefix: {"bdi"}."""
    aims: ClassVar[Mapping[str, float]] = {}
    """Keys of a policy that only some adapters heed, as `Policy` has them: {"max_drain_s": 5.0}
    with what holds where a policy does not say."""
    class_knobs: ClassVar[tuple[str, ...]] = ()
    """What a patched kernel's class ml_proxy takes in the place of `knobs`, and holds for whole
    leases; () where it takes the same."""
    class_features: ClassVar[tuple[str, ...]] = ()
    """Of what that class counts, the names that `mlproxy status` passes on."""
    wait_s: ClassVar[float] = 0.0
    """A value that no slots test waits until `demand_s` is as long as this."""
    note: ClassVar[str] = ""
    """One sentence said in every output, e.g. when a changed value takes effect."""

    @abstractmethod
    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        """Features of one window during which `setting` was in force.

        Raises:
            Missing: a required feature cannot be computed; the reason is shown.
        """

    @abstractmethod
    def idle(self, window: Window) -> str | None:
        """Why the window says nothing (too little I/O), or None when it does."""

    @abstractmethod
    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        """One sentence that says what in the features speaks for the change."""

    @cached_property
    def asked(self) -> tuple[Knob, ...]:
        """The knobs that a model is asked about: all but those that go along with another."""
        along = {name for knob in self.knobs for name in knob.companions}
        return tuple(knob for knob in self.knobs if knob.name not in along)

    def candidates(self, knob: Knob, setting: Setting) -> Sequence[Value]:
        """Values to ask the model about; the knob's grid unless overridden."""
        return knob.grid

    def suits(
        self, features: FeatureSchema, knob: Knob, value: Value, aims: Mapping[str, float]
    ) -> bool:
        """False for a candidate that is not what the policy aims at; the value that is held
        and the baseline are always among the options."""
        return True

    def approach(self, knob: Knob, sample: Sample, current: Value, goal: Value) -> Value:
        """What to write next on the way to `goal`, where a leap would hurt; called each tick
        until it is reached. The way back to a baseline is never asked for."""
        return goal

    def demand_s(self, windows: Sequence[Window]) -> float:
        """How long until now, seconds, the workload has wanted what only a value that no slots
        test can give; `windows` follow one another under the baseline, the last is of now."""
        return self.wait_s

    def left(self, windows: Sequence[Window], setting: Setting) -> str:
        """Why the workload has no use any more for such a value, "" while it has; `windows`
        follow one another under it, the last is of now and of `setting`."""
        return ""

    def look_from(self, knob: Knob, value: Value) -> Value | None:
        """The value that a short look takes where `value` is blind; None: no look."""
        return knob.look

    def sweep(self) -> Sequence[Setting]:
        """Settings that training data is recorded at: each knob's grid, one knob at a time."""
        return [{knob.name: value} for knob in self.knobs for value in knob.grid]

    def is_blind(self, features: FeatureSchema, knob: Knob, value: Value) -> bool:
        """True when at `value` these features do not tell workloads apart."""
        return knob.is_blind(value)

    def teaches(self, features: FeatureSchema, setting: Setting) -> bool:
        """False for a recorded window that no model is to learn from, since it is never asked
        about one."""
        return True

    def to_class(self, setting: Setting, values: Mapping[str, float]) -> Mapping[str, Value]:
        """A setting as `class_knobs`, given what a sample of now holds."""
        raise NotImplementedError

    def from_class(self, held: Mapping[str, int], values: Mapping[str, float]) -> Setting:
        """The setting that is nearest to what `class_knobs` hold."""
        raise NotImplementedError

    def effective(self, files: ObjectFiles, knob: str) -> Value | None:
        """The value really in force where sysfs is known to lie; None: sysfs is believed."""
        return None

    def writes(
        self, files: ObjectFiles, knob: Knob, current: Value, proposed: Value
    ) -> Iterator[Value]:
        """Values to write, in order, so that `proposed` is in force; the last is `proposed`."""
        yield proposed

    def knob(self, name: str) -> Knob:
        """The knob called `name`. Raises: KeyError."""
        return {knob.name: knob for knob in self.knobs}[name]

    @classmethod
    def home(cls) -> Path:
        """The package's folder: `policy.yaml`, `model/` and the README live there."""
        return Path(str(resources.files(cls.__module__.partition(".")[0])))
