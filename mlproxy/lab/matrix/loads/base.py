"""A load: something that reads and writes files on a bed and says how fast it gets on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlproxy.errors import LabError
from mlproxy.lab import fio
from mlproxy.lab.profile import PROFILES

PROGRESS = "progress"
OVERTIME_S = 120.0
"""A program that should end by itself is given up after this much more."""


@dataclass(frozen=True)
class Ran:
    """One run: metrics per second by name, and for a load with phases its speed over time.

    `speed` holds (seconds since the run began, progress per second).
    """

    metrics: Mapping[str, float]
    speed: tuple[tuple[float, float], ...] = ()


class Bed(fio.Bed, Protocol):
    """The part of a TestBed that loads need."""

    def drop_caches(self) -> None: ...


class Load(Protocol):
    """A frozen dataclass with a `kind`, since its definition is a part of each row's id.

    `continuous`: one long run instead of many short ones that open their files anew.
    """

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def continuous(self) -> bool: ...
    @property
    def disk_mb(self) -> int: ...

    def lacks(self) -> str:
        """Why it cannot run here; "" when it can."""

    def lay_out(self, bed: Bed) -> None:
        """Write its files, unless they are there; at the device's full speed."""

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        """Run once. Raises: LabError."""


def lacks_program(name: str) -> str:
    """Why a program cannot be run; "" when it can."""
    return "" if shutil.which(name) else f"{name} is not installed"


def at_full_speed(bed: Bed, argv: Sequence[str]) -> str:
    """The output of a program that lays out files while the device is fast."""
    profile = bed.profile
    bed.set_profile(PROFILES["fast"])
    try:
        return finished(argv, OVERTIME_S * 10)
    finally:
        bed.set_profile(profile)


def finished(argv: Sequence[str], patience_s: float) -> str:
    """The output of a program that ended well. Raises: LabError with its last words."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=patience_s, errors="replace"
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {patience_s:.0f} s") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise LabError(f"{argv[0]} ended with {done.returncode}: {words[-1][:300]}")
    return done.stdout


def module(name: str, *arguments: object) -> list[str]:
    """The command of one of the lab's own programs."""
    return [sys.executable, "-m", f"mlproxy.lab.matrix.loads.{name}", *map(str, arguments)]


def said(text: str) -> dict[str, Any]:
    """The JSON object on the last line of a program's output. Raises: LabError."""
    try:
        found = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise LabError(f"a load said {text.strip()[-200:]!r} instead of JSON") from None
    if not isinstance(found, dict):
        raise LabError(f"a load said {found!r} instead of a JSON object")
    return found
