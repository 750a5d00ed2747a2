"""What the numbers depend on: the machine and the versions, as plain text by name."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from pathlib import Path

from mlproxy.lab.runner import versions


def machine_facts(root: Path = Path("/")) -> dict[str, str]:
    """Processor, cores, memory, and versions of kernel and programs; "" where unknown."""
    return {
        **versions(),
        "processor": _field(root / "proc/cpuinfo", "model name"),
        "cores": str(os.cpu_count() or ""),
        "memory": _field(root / "proc/meminfo", "MemTotal"),
        "architecture": platform.machine(),
        "system": _field(root / "etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "sqlite": sqlite3.sqlite_version,
        "db_bench": _db_bench(),
    }


def _field(path: Path, name: str, sign: str = ":") -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.partition(sign) for line in lines)
    return next((value.strip() for key, _, value in found if key.strip() == name), "")


def _db_bench() -> str:
    if shutil.which("db_bench") is None:
        return "not installed"
    done = subprocess.run(["db_bench", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
