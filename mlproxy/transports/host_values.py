"""/proc/vmstat and /proc/pressure as of one moment, parsed where somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlproxy.parse import parse_int, parse_pressure, parse_vmstat


class HostValues(Mapping[str, float]):
    """`vm.<key>`, `psi.<resource>.{some,full}_us` and `_avg10`, as far as there are any.

    Of some two hundred values adapters ask for a few, so each is parsed on its own: idle,
    the agent parses almost none.
    """

    __slots__ = ("_known", "_pressures", "_vmstat")

    def __init__(self, vmstat: str, pressures: Mapping[str, str]) -> None:
        """Text of /proc/vmstat, and of each /proc/pressure file by resource."""
        self._vmstat = f"\n{vmstat}"
        self._pressures = pressures
        self._known: dict[str, float | None] = {}

    def __getitem__(self, name: str) -> float:
        if name not in self._known:
            self._known[name] = self._parsed(name)
        value = self._known[name]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        yield from (f"vm.{key}" for key in parse_vmstat(self._vmstat))
        for resource, text in self._pressures.items():
            yield from (f"psi.{resource}.{key}" for key in parse_pressure(text))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _parsed(self, name: str) -> float | None:
        kind, _, key = name.partition(".")
        if kind == "vm":
            return self._counter(key)
        resource, _, key = key.partition(".")
        return parse_pressure(self._pressures.get(resource, "")).get(key)

    def _counter(self, key: str) -> int | None:
        at = self._vmstat.rfind(f"\n{key} ") + len(key) + 2
        if at < len(key) + 2:
            return None
        return parse_int(self._vmstat[at:].partition("\n")[0])
