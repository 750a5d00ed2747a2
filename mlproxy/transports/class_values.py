"""What the devices of class ml_proxy say: all in one read of debugfs, or file by file.

debugfs ml_proxy/snapshot is consistent and one read, but no ABI and refused under lockdown
and to plain users; the class files say the same. Samples get numbers:

    kernel.<feature>                    e.g. kernel.stall_ns; missing while the device counts
                                        nothing, which is what mode_limit emergency means
    kernel.mode, kernel.mode_limit      0 emergency to 3 recommendation
    kernel.lease_ms, .lease_remaining_ms, .sequence, .id
    kernel.<knob>.{baseline,recommended,effective}
    kernel.trial.*                      e.g. kernel.trial.wins
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlproxy.mode import Mode
from mlproxy.transports.ml_class import ClassDevice
from mlproxy.tree import Tree

SNAPSHOT = "sys/kernel/debug/ml_proxy/snapshot"
PREFIX = "kernel."
FEATURES = "features/"
MODES = {str(mode): float(mode.rank) for mode in Mode}
LIMIT = "mode_limit"

Numbers = Mapping[str, float]


class Snapshot:
    """The snapshot file, parsed only where a device's part of it changed."""

    def __init__(self) -> None:
        self._order: tuple[str, ...] = ()
        self._parts: dict[str, str] = {}
        self._numbers: dict[str, dict[str, float]] = {}

    def update(self, text: str, names: Sequence[str]) -> None:
        """Take the file as it is now; `names` are the devices that matter."""
        parts = _cut(text, self._order) if set(self._order) == set(names) else None
        if parts is None:
            starts = {name: _start(text, name, 0) for name in names}
            found = [name for name in names if starts[name] >= 0]
            self._order = tuple(sorted(found, key=starts.__getitem__))
            parts = _cut(text, self._order) or {}
        self._numbers = {
            name: self._numbers[name]
            if self._parts.get(name) == part
            else to_numbers(_values(name, part))
            for name, part in parts.items()
        }
        self._parts = parts

    def numbers(self, name: str) -> Numbers | None:
        """What a device says; None when it is not in the file."""
        return self._numbers.get(name)


class ClassReader:
    """Reads devices once per tick, the fast way where it is open.

    `fast` tells whether the last tick was read from the snapshot.
    """

    def __init__(self, tree: Tree) -> None:
        self.fast = False
        self._tree = tree
        self._snapshot = Snapshot()

    def update(self, devices: Sequence[ClassDevice]) -> None:
        """Begin a tick."""
        text = self._tree.read(SNAPSHOT, keep=True) if devices else None
        self.fast = bool(text)
        if text:
            self._snapshot.update(text, [device.name for device in devices])

    def numbers(self, device: ClassDevice) -> Numbers | None:
        """What the device says now; None when it, or its name's first owner, is gone."""
        found = self._snapshot.numbers(device.name) if self.fast else None
        if found is None:
            found = self._from_files(device)
        return found if found.get(f"{PREFIX}id") == float(device.number or -1) else None

    def _from_files(self, device: ClassDevice) -> Numbers:
        paths = {name: f"{device.path}/{name}" for name in device.files}
        read = {name: self._tree.read(path, keep=True) for name, path in paths.items()}
        return to_numbers({name: text.strip() for name, text in read.items() if text is not None})


def to_numbers(values: Mapping[str, str]) -> dict[str, float]:
    """Files of a device, by path relative to it, as attributes of a sample."""
    counts = values.get(LIMIT) != Mode.EMERGENCY
    found = {}
    for name, text in values.items():
        if name.startswith(FEATURES):
            if not counts:
                continue  # a counter that stands still says nothing: missing, not zero
            name = name.removeprefix(FEATURES)
        number = MODES.get(text) if name in ("mode", LIMIT) else _number(text)
        if number is not None:
            found[PREFIX + name.replace("/", ".")] = number
    return found


def _number(text: str) -> float | None:
    try:
        return float(int(text))
    except ValueError:
        return None


def _start(text: str, name: str, since: int) -> int:
    """Where the lines of a device begin; -1 when there are none."""
    if text.startswith(f"{name} ", since):
        return since
    found = text.find(f"\n{name} ", since)
    return found + 1 if found >= 0 else -1


def _cut(text: str, order: Sequence[str]) -> dict[str, str] | None:
    """The part of each device, in one pass; None when they are not in this order."""
    starts = []
    since = 0
    for name in order:
        since = _start(text, name, since)
        if since < 0:
            return None
        starts.append(since)
    ends = [*starts[1:], len(text)]
    return {name: text[a:b] for name, a, b in zip(order, starts, ends, strict=True)}


def _values(name: str, part: str) -> dict[str, str]:
    """File to value; lines of other devices that lie between are passed over."""
    mine, found = f"{name} ", {}
    for line in part.splitlines():
        if line.startswith(mine):
            path, _, value = line[len(mine) :].partition(" ")
            found[path] = value.strip()
    return found
