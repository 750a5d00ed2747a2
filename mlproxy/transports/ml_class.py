"""The devices of class ml_proxy (Documentation/ABI/testing/sysfs-class-ml_proxy).

What a device offers is known by the files that it has, never by a version.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.tree import Tree

CLASS = "sys/class/ml_proxy"

CONTROLS = ("mode_limit", "lease_ms", "lease_remaining_ms", "sequence", "commit", "id", "mode")
"""Without one of these no recommendation can be made, or not be watched."""

KNOB_FILES = ("baseline", "recommended", "effective")
OWN_FILES = ("id", "mode", "mode_limit", "lease_ms", "lease_remaining_ms", "sequence")
LINKS = frozenset({"device", "subsystem", "power"})


@dataclass(frozen=True)
class ClassDevice:
    """One device of the class, as its files show it.

    Args:
        name: "readahead.253:0".
        provider: name of the subsystem.
        number: what no other proxy has had since boot, though device numbers are used again.
        parent: folder of the object that it describes, links followed.
        knobs: those that it takes recommendations for.
        files: every file that is read of it, relative to its folder.
        lacks: files without which it cannot be used.
    """

    name: str
    provider: str
    number: str
    parent: str
    knobs: frozenset[str]
    files: tuple[str, ...]
    lacks: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its folder, relative to the root."""
        return f"{CLASS}/{self.name}"


def scan_class(tree: Tree) -> list[ClassDevice]:
    """Every device of the class; [] on a kernel without it."""
    return [class_device(tree, name) for name in tree.names(CLASS)]


def class_number(tree: Tree, path: str) -> str | None:
    """The number of the proxy that has this folder now; None when nothing has."""
    text = tree.read(f"{path}/id")
    return None if text is None else text.strip()


def class_device(tree: Tree, name: str) -> ClassDevice:
    """One device, by its name; of one that is not there all files are lacking."""
    path = f"{CLASS}/{name}"
    folders = [entry for entry in tree.names(path) if entry not in LINKS]
    knobs = [entry for entry in folders if tree.exists(f"{path}/{entry}/recommended")]
    files = [*(f for f in OWN_FILES if tree.exists(f"{path}/{f}"))]
    files += [f"{knob}/{f}" for knob in knobs for f in KNOB_FILES]
    for group in ("features", "trial"):
        files += [f"{group}/{f}" for f in tree.names(f"{path}/{group}")]
    return ClassDevice(
        name=name,
        provider=(tree.read(f"{path}/provider") or "").strip(),
        number=class_number(tree, path) or "",
        parent=tree.link(f"{path}/device") or "",
        knobs=frozenset(knobs),
        files=tuple(files),
        lacks=tuple(each for each in CONTROLS if not tree.exists(f"{path}/{each}")),
    )
