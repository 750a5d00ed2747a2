"""Checks of policies against the installed adapters and against each other.

Problems are data, one sentence each in the form of a PolicyError's lines, so that
`mlproxy check` can show all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations

from mlproxy.adapter import Adapter
from mlproxy.globs import covers, share_a_name
from mlproxy.knob import Knob
from mlproxy.policy import KnobPolicy, Match, Policy
from mlproxy.policy_yaml import dotted, short
from mlproxy.refused import refusal

Names = Iterable[str]
"""Every name of one proxy, as in `Proxy.names`."""


def check_policies(
    policies: Sequence[Policy],
    adapters: Mapping[str, Adapter],
    devices: Mapping[str, Sequence[Names]] | None = None,
) -> list[str]:
    """What is wrong with the policies taken together; [] when nothing is.

    Args:
        policies: all that would be deployed together.
        adapters: the installed ones, by name.
        devices: for each adapter the names of each proxy that this machine has; then two
            policies overlap where both select one of them. Without it their globs decide.
    """
    problems = [problem for policy in policies for problem in _against(policy, adapters)]
    for first, second in combinations(policies, 2):
        known = None if devices is None else devices.get(second.adapter, ())
        problems += _conflict(first, second, known)
    return problems


def _against(policy: Policy, adapters: Mapping[str, Adapter]) -> Iterator[str]:
    adapter = adapters.get(policy.adapter)
    if adapter is None:
        installed = ", ".join(sorted(adapters)) or "nothing (no adapter is installed)"
        yield _problem(policy, ("adapter",), f"value {short(policy.adapter)}", installed)
        return
    own = {knob.name: knob for knob in adapter.knobs}
    for name, limits in policy.knobs.items():
        if name in own:
            yield from _beyond(policy, own[name], limits)
        else:
            yield _problem(policy, ("knobs", name), f"key {short(name)}", ", ".join(own))
    yield from _unheeded(policy, adapter)
    if policy.objective is not None:
        why = refusal(policy.objective, adapter.objective)
        if why:
            yield f"{policy.where('objective')}: objective: {why}"


def _unheeded(policy: Policy, adapter: Adapter) -> Iterator[str]:
    """Keys that this adapter would not heed."""
    if policy.max_drain_s is not None and "max_drain_s" not in adapter.aims:
        yield _problem(policy, ("max_drain",), "key 'max_drain'", f"no such key for {adapter.name}")
    if policy.guards:
        guarded = {guard.metric for guard in adapter.objective.guards if guard.counter}
        names = ", ".join(sorted(guarded)) or f"none: {adapter.name} guards nothing"
        for name in sorted(set(policy.guards) - guarded):
            yield _problem(policy, ("guards", name), f"key {short(name)}", names)


def _beyond(policy: Policy, knob: Knob, limits: KnobPolicy) -> Iterator[str]:
    """Where a policy allows more of a knob than its adapter does."""
    if knob.choices:
        yield from _wrong_words(policy, knob, limits)
        return
    if limits.allow is not None:
        yield _problem(policy, ("knobs", knob.name, "allow"), "key 'allow'", "min, max, max_step")
    allowed = f"{_bound(knob.minimum)} to {_bound(knob.maximum)} {knob.unit}".rstrip()
    for key, value in (("min", limits.min), ("max", limits.max)):
        if value is not None and not _within(knob, value):
            yield _problem(policy, ("knobs", knob.name, key), f"value '{value}'", allowed)


def _wrong_words(policy: Policy, knob: Knob, limits: KnobPolicy) -> Iterator[str]:
    words = ", ".join(knob.choices)
    for key in sorted(limits.model_fields_set - {"allow"}):
        place = ("knobs", knob.name, key)
        yield _problem(policy, place, f"key '{key}'", f"allow with words of {words}")
    for n, word in enumerate(limits.allow or ()):
        if word not in knob.choices:
            yield _problem(policy, ("knobs", knob.name, "allow", n), f"value {short(word)}", words)


def _within(knob: Knob, value: int) -> bool:
    low = knob.minimum is None or value >= knob.minimum
    return low and (knob.maximum is None or value <= knob.maximum)


def _bound(value: int | None) -> str:
    return "any" if value is None else str(value)


def _conflict(first: Policy, second: Policy, devices: Sequence[Names] | None) -> Iterator[str]:
    knobs = [name for name in second.knobs if name in first.knobs]
    if first.adapter != second.adapter or not knobs:
        return
    shared = _shared(first.match, second.match, devices)
    if shared is None:
        return
    other = first.where("match", "devices")
    allowed = f"devices that no other policy claims; {other} claims {', '.join(knobs)} of it too"
    yield _problem(second, ("match", "devices"), f"value {short(shared)}", allowed)


def _shared(first: Match, second: Match, devices: Sequence[Names] | None) -> str | None:
    """A device (or, without devices, a glob of `second`) that both may claim."""
    if devices is not None:
        both = (
            sorted(names) for names in devices if first.selects(names) and second.selects(names)
        )
        return next((_chosen(names, second) for names in both), None)
    for mine in first.devices:
        for other in second.devices:
            excluded = any(covers(out, mine) or covers(out, other) for out in _outs(first, second))
            if share_a_name(mine, other) and not excluded:
                return other
    return None


def _outs(first: Match, second: Match) -> tuple[str, ...]:
    return first.exclude + second.exclude


def _chosen(names: Sequence[str], match: Match) -> str:
    return next(name for name in names if any(fnmatchcase(name, glob) for glob in match.devices))


def _problem(policy: Policy, place: tuple[str | int, ...], found: str, allowed: str) -> str:
    return f"{policy.where(*place)}: {dotted(place)}: {found} is not allowed: allowed is {allowed}"
