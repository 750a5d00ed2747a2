"""Installed adapters, found by the entry-point group "mlproxy.adapters".

A broken adapter is reported and skipped; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from mlproxy.adapter import Adapter
from mlproxy.errors import UnknownAdapter

GROUP = "mlproxy.adapters"


@dataclass(frozen=True)
class Registry:
    """Adapters by name, and why each broken one was skipped."""

    adapters: Mapping[str, Adapter]
    broken: Mapping[str, str]

    def get(self, name: str) -> Adapter:
        """The adapter called `name`. Raises: UnknownAdapter listing the installed ones."""
        if name in self.adapters:
            return self.adapters[name]
        if name in self.broken:
            raise UnknownAdapter(f"adapter {name!r} is broken: {self.broken[name]}")
        raise UnknownAdapter(f"no adapter {name!r}; installed: {', '.join(sorted(self.adapters))}")


def load_registry(points: Iterable[EntryPoint] | None = None) -> Registry:
    """All adapters of the environment, or of the given entry points."""
    adapters: dict[str, Adapter] = {}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP) if points is None else points):
        try:
            adapter = _load(point)
        except Exception as error:  # whatever a plug-in does, the others must go on
            broken[point.name] = f"{type(error).__name__}: {error}"
        else:
            adapters[adapter.name] = adapter
    return Registry(adapters, broken)


def _load(point: EntryPoint) -> Adapter:
    adapter = point.load()()
    if not isinstance(adapter, Adapter):
        raise TypeError(f"{point.value} is not a subclass of mlproxy.adapter.Adapter")
    if adapter.name != point.name:
        raise ValueError(f"entry point {point.name!r} holds an adapter called {adapter.name!r}")
    problem = _objection(adapter)
    if problem:
        raise ValueError(problem)
    return adapter


def _objection(adapter: Adapter) -> str:
    """What is wrong with the adapter's declarations; "" when nothing is."""
    for knob in adapter.knobs:
        bounded = knob.minimum is not None and knob.maximum is not None
        if not bounded and not knob.choices:
            return f"knob {knob.name} states neither a range nor choices"
        for value in knob.grid:
            if isinstance(value, str) != bool(knob.choices):
                return f"knob {knob.name}: candidate {value!r} is of the wrong kind"
            if knob.choices and value not in knob.choices:
                return f"knob {knob.name}: candidate {value!r} is not among its choices"
            if bounded and not knob.minimum <= int(value) <= knob.maximum:  # type: ignore[operator]
                return f"knob {knob.name}: candidate {value} is outside its range"
    return "" if adapter.knobs else "it declares no knob"
