"""A seat: one proxy with the policy that claims it, its model and its legal values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mlproxy.adapter import Adapter
from mlproxy.errors import ModelError
from mlproxy.features import FeatureSchema
from mlproxy.gate_range import UNSTATED, Range
from mlproxy.knob import Knob, Setting, Value
from mlproxy.model import Model, load_model
from mlproxy.objective import Objective
from mlproxy.policy import KnobPolicy, Policy
from mlproxy.proxy import Proxy
from mlproxy.registry import Registry
from mlproxy.snapshot import Sample
from mlproxy.transports.base import Transport

UNLIMITED = KnobPolicy()
"""Of a knob that the policy does not name."""


@dataclass(frozen=True)
class Seat:
    """What is decided about and by what rules; nothing in it changes while it runs.

    `lacks` says why nothing can be recommended at all ("" when something can).
    """

    proxy: Proxy
    adapter: Adapter
    policy: Policy
    model: Model | None
    knobs: tuple[Knob, ...]
    kernel: Mapping[str, Range]
    baseline: Setting
    lacks: str = ""

    @cached_property
    def watched(self) -> tuple[Knob, ...]:
        """The knobs and their companions, which nobody else may change either."""
        along = {name for knob in self.knobs for name in knob.companions}
        names = {knob.name for knob in self.knobs} | along
        return tuple(knob for knob in self.adapter.knobs if knob.name in names)

    @cached_property
    def aims(self) -> Mapping[str, float]:
        """What the policy aims at, of what the adapter heeds."""
        own = {name: getattr(self.policy, name, None) for name in self.adapter.aims}
        return {**self.adapter.aims, **{name: aim for name, aim in own.items() if aim is not None}}

    @cached_property
    def objective(self) -> Objective:
        """The adapter's objective, with the floors that the policy sets."""
        floors, own = self.policy.guards, self.adapter.objective
        if not floors:
            return own
        guards = (replace(g, floor=floors.get(g.metric, g.floor)) for g in own.guards)
        return replace(own, guards=tuple(guards))

    def asked(self, setting: Setting) -> dict[str, Value]:
        """The part of a setting that a model is asked about: companions go along."""
        names = [knob.name for knob in self.adapter.asked]
        return {name: setting[name] for name in names if name in setting}

    def treated(self, setting: Setting) -> dict[str, Value]:
        """What of a setting is away from the baseline, with the companions that this takes."""
        away = {n: v for n, v in self.asked(setting).items() if v != self.baseline[n]}
        for name in tuple(away):
            away |= self.adapter.knob(name).companions
        return {name: value for name, value in away.items() if value != self.baseline[name]}

    def step(self, knob: Knob, sample: Sample | None, now: Value | None, goal: Value) -> Value:
        """What to write next on the way to `goal`; the baseline is returned to at once."""
        if sample is None or now is None or goal == self.baseline[knob.name]:
            return goal
        return self.adapter.approach(knob, sample, now, goal)

    def options(
        self, held: Setting, features: FeatureSchema | None = None
    ) -> tuple[tuple[str, Value], ...]:
        """Legal (knob, value) pairs that the model was trained on and that suit the policy's
        aims; what is held and the baseline are always among them."""
        return tuple(pair for knob in self.knobs for pair in self._of(knob, held, features))

    def own_range(self, knob: Knob) -> Range:
        """The adapter's range of a knob."""
        return Range(knob.minimum, knob.maximum, knob.choices)

    def clamp(self, knob: Knob) -> Range:
        """Intersection of what kernel, adapter and policy allow, for the actuator."""
        ranges = self._ranges(knob)
        lows = [each.minimum for each in ranges if each.minimum is not None]
        highs = [each.maximum for each in ranges if each.maximum is not None]
        legal = tuple(word for word in knob.choices if self.legal(knob, word))
        if knob.choices and not legal:
            legal = (str(self.baseline[knob.name]),)  # () would say nothing, and allow anything
        return Range(max(lows, default=None), min(highs, default=None), legal)

    def legal(self, knob: Knob, value: Value) -> bool:
        """True inside the kernel's, the adapter's and the policy's range (promise 4)."""
        return _is_legal(value, self._ranges(knob))

    def _known(self, knob: Knob, value: Value) -> bool:
        return self.model is None or self.model.knows(knob.name, value)

    def _ranges(self, knob: Knob) -> tuple[Range, Range, Range]:
        limits = self.policy.knobs.get(knob.name, UNLIMITED)
        policy = Range(limits.min, limits.max, limits.allow or ())
        return self.kernel.get(knob.name, UNSTATED), self.own_range(knob), policy

    def _fits(
        self, knob: Knob, value: Value, ranges: Iterable[Range], features: FeatureSchema | None
    ) -> bool:
        if not _is_legal(value, ranges) or not self._known(knob, value):
            return False
        return features is None or self.adapter.suits(features, knob, value, self.aims)

    def _of(
        self, knob: Knob, held: Setting, features: FeatureSchema | None
    ) -> Iterator[tuple[str, Value]]:
        values, ranges = dict.fromkeys(self.adapter.candidates(knob, held)), self._ranges(knob)
        must = (held[knob.name], self.baseline[knob.name])
        for value in (*values, *(value for value in dict.fromkeys(must) if value not in values)):
            if value in must or self._fits(knob, value, ranges, features):
                yield knob.name, value


def build_seats(
    policies: Sequence[Policy],
    registry: Registry,
    transport: Transport,
    devices: Sequence[str] = (),
) -> list[Seat]:
    """A seat for every proxy that a policy claims, the first policy winning.

    `devices` names proxies outright and overrides the policies' match.
    """
    seats: dict[str, Seat] = {}
    models: dict[tuple[str, str], Model | str] = {}
    for policy in policies:
        adapter = registry.get(policy.adapter)
        for proxy in transport.discover(adapter):
            if proxy.id in seats or not _claims(policy, proxy, devices):
                continue
            key = (adapter.name, policy.model)
            if key not in models:
                models[key] = _load(adapter, policy.model)
            seats[proxy.id] = _seat(proxy, adapter, policy, models[key], transport)
    return list(seats.values())


def _is_legal(value: Value, ranges: Iterable[Range]) -> bool:
    return all(each.objects(value, "") is None for each in ranges)


def _claims(policy: Policy, proxy: Proxy, devices: Sequence[str]) -> bool:
    if devices:
        return any(name in proxy.names or name == proxy.id for name in devices)
    return policy.match.selects(proxy.names)


def _load(adapter: Adapter, where: str) -> Model | str:
    try:
        return load_model(adapter, where)
    except ModelError as error:
        return str(error)


def _seat(
    proxy: Proxy, adapter: Adapter, policy: Policy, model: Model | str, transport: Transport
) -> Seat:
    values = {knob.name: transport.value(proxy, knob) for knob in adapter.knobs}
    baseline = {name: value for name, value in values.items() if value is not None}
    knobs = tuple(
        knob
        for knob in adapter.asked
        if knob.name in policy.knobs and {knob.name, *knob.companions} <= set(baseline)
    )
    along = {name for knob in knobs for name in knob.companions}
    kernel = {
        knob.name: Range(
            *transport.kernel_range(proxy, knob), transport.kernel_choices(proxy, knob)
        )
        for knob in (*knobs, *map(adapter.knob, along))
    }
    lacks = model if isinstance(model, str) else ""
    if not knobs:
        lacks = f"none of the policy's knobs is here: {', '.join(policy.knobs)}"
    loaded = None if isinstance(model, str) else model
    return Seat(proxy, adapter, policy, loaded, knobs, kernel, baseline, lacks)
