"""Whose rows a folder holds: rows of another matrix or machine are not mixed with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.document import Matrix
from mlproxy.lab.matrix.parquet import SAME_MACHINE

FILE = "matrix.json"
_MATRIX = ("name", "seed", "times", "blocks")
"""More repeats, or another judgement, are no other matrix."""


def claim(folder: Path, matrix: Matrix, machine: Mapping[str, str]) -> None:
    """Note what a folder is for, at first; later it must be the same. Raises: ConfigError."""
    declared = matrix.model_dump(mode="json", by_alias=True)
    path = folder / FILE
    if path.exists():
        _compare(path, declared, machine)
    fresh = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"matrix": declared, "machine": dict(machine)}, indent=1))
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None


def _compare(path: Path, declared: Mapping[str, Any], machine: Mapping[str, str]) -> None:
    try:
        found = json.loads(path.read_text())
        before, there = dict(found["matrix"]), dict(found["machine"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error!r}; remove it or its folder") from None
    for name in _MATRIX:
        if before.get(name) != declared[name]:
            raise ConfigError(f"{path.parent} holds rows of another matrix: {name} differs")
    for name in SAME_MACHINE:
        if there.get(name) != machine.get(name):
            then, now = there.get(name), machine.get(name)
            raise ConfigError(f"{path.parent} holds rows of another machine: {then!r}, not {now!r}")
