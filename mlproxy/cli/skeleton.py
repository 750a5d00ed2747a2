"""A new adapter's package, written from the templates in mlproxy/templates/adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from mlproxy.errors import ConfigError
from mlproxy.registry import load_registry
from mlproxy.transports.limits import FIXED

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
KNOB_PATH = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
SUBJECTS = ("disk", "bdi")
FEW = 8
WHAT = {
    "nomerges": "which requests may be merged: 0 all, 1 only one-hit merges, 2 none",
    "rq_affinity": "where a request completes: 0 any CPU, 1 its group, 2 the CPU that asked",
}


@dataclass(frozen=True)
class Skeleton:
    """What the templates ask for.

    Args:
        name: of the adapter, its entry point and its policy.
        knob_path: the knob's file relative to the object, e.g. "queue/nomerges".
    """

    name: str
    knob_path: str
    subject: str
    minimum: int
    maximum: int

    def words(self) -> dict[str, str]:
        """Each placeholder's text."""
        knob = self.knob_path.rpartition("/")[2]
        stem = "".join(part.capitalize() for part in self.name.split("_"))
        freezes = self.knob_path.startswith("queue/")
        return {
            "NAME": self.name,
            "DASHED": self.name.replace("_", "-"),
            "PACKAGE": f"mlproxy_{self.name}",
            "STEM": stem,
            "CLASS": f"{stem}Adapter",
            "KNOB": knob,
            "CONSTANT": knob.upper(),
            "PATH": self.knob_path,
            "SUBJECT": self.subject,
            "WHAT": WHAT.get(knob, f"see {knob} in the kernel's Documentation/ABI"),
            "GRID": str(_grid(self.minimum, self.maximum)),
            "MINIMUM": str(self.minimum),
            "MAXIMUM": str(self.maximum),
            "EFFECT": "AFTER_FREEZE" if freezes else "AT_ONCE",
            "COST": "a queue freeze, 16 to 28 ms" if freezes else "about 1 us",
        }


def write_skeleton(skeleton: Skeleton, folder: Path) -> list[Path]:
    """Write the package into a new or empty folder; returns the files.

    Raises:
        ConfigError: a name or path that cannot be, or a folder that is in use.
    """
    _require_sound(skeleton)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is in use; give a new folder with --folder")
    words = skeleton.words()
    written = []
    for name, template in _templates():
        path = folder / name.replace("package/", f"{words['PACKAGE']}/", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template.read_text(), words))
        written.append(path)
    return written


def known_range(knob_path: str) -> tuple[int, int] | None:
    """What the kernel allows a knob of that name, where both bounds are known."""
    low, high = FIXED.get(knob_path.rpartition("/")[2], (None, None))
    return None if low is None or high is None else (low, high)


def _require_sound(skeleton: Skeleton) -> None:
    if not NAME.fullmatch(skeleton.name):
        raise ConfigError(
            f"name {skeleton.name!r} is not allowed: small letters, digits and _, a letter first"
        )
    if skeleton.name in load_registry().adapters:
        raise ConfigError(f"an adapter {skeleton.name!r} is installed already; take another name")
    if not KNOB_PATH.fullmatch(skeleton.knob_path):
        raise ConfigError(
            f"knob {skeleton.knob_path!r} is not allowed: a file relative to the object, "
            "e.g. queue/nomerges"
        )
    if skeleton.subject not in SUBJECTS:
        raise ConfigError(f"object {skeleton.subject!r} is not one of {', '.join(SUBJECTS)}")
    if skeleton.minimum >= skeleton.maximum:
        raise ConfigError(f"range {skeleton.minimum} to {skeleton.maximum} holds no choice")


def _grid(minimum: int, maximum: int) -> tuple[int, ...]:
    """All values where they are few, else powers of two within the range."""
    if maximum - minimum < FEW:
        return tuple(range(minimum, maximum + 1))
    inside = (2**power for power in range(maximum.bit_length() + 1))
    return tuple(sorted({minimum, maximum} | {v for v in inside if minimum <= v <= maximum}))


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], text)


def _templates() -> Iterator[tuple[str, Traversable]]:
    yield from _walk(resources.files("mlproxy") / "templates" / "adapter", "")


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".in"):
            yield f"{prefix}{entry.name.removesuffix('.in')}", entry
