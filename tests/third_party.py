"""A package written from the README alone, installed beside mlproxy, and rows to train it on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.markdown import files_in

PROGRAM = "from mlproxy.cli import main; raise SystemExit(main())"
WORKLOADS = 6
WINDOWS = 3

Raw = dict[str, Any]


@dataclass(frozen=True)
class Scratch:
    """A folder outside the repository: sources, where they are installed, a state folder."""

    folder: Path

    @property
    def package(self) -> Path:
        """The adapter's sources."""
        return self.folder / "mlproxy-merges"

    def write(self, changes: Mapping[str, str] | None = None) -> None:
        """The README's files, with words replaced."""
        for name, text in files_in("README.md").items():
            for old, new in (changes or {}).items():
                name, text = name.replace(old, new), text.replace(old, new)
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def install(self, package: Path) -> None:
        """As `pip install` does, into a folder of its own."""
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--upgrade"]
        command = [sys.executable, "-m", "pip", "install", *options]
        command += ["--target", str(self.folder / "site"), str(package)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def mlproxy(self, *arguments: object, code: int = 0) -> str:
        """What a command prints; it must end with `code`."""
        command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
        env = {**os.environ, "PYTHONPATH": str(self.folder / "site"), "COLUMNS": "140"}
        env["MLPROXY_STATE"] = str(self.folder / "state")
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def json(self, *arguments: object) -> dict[str, Any]:
        """The same with --json."""
        found: dict[str, Any] = json.loads(self.mlproxy(*arguments, "--json"))
        return found

    def write_rows(self, windows: Mapping[int, list[Raw]]) -> Path:
        """Rows as the README describes them: the measured speed is best at 0, worst at 2."""
        path = self.folder / "rows.jsonl"
        rows = [
            _row(f"scan-{number}", value, found[number::WORKLOADS])
            for number in range(WORKLOADS)
            for value, found in windows.items()
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path


def made_up_windows(seed: int = 1) -> dict[int, list[Raw]]:
    """Windows of a sequential reader at each value: fewer merges at 2."""
    rng = random.Random(seed)
    number = WORKLOADS * WINDOWS
    return {value: [window(value, rng) for _ in range(number)] for value in (0, 1, 2)}


def window(value: int, rng: random.Random) -> Raw:
    """One second with some noise; counters of /proc/diskstats by name."""
    after = counters(value, rng.uniform(0.9, 1.1))
    before = {"taken_ns": 0, "values": dict.fromkeys(after, 0.0)}
    return {"before": before, "after": {"taken_ns": 1_000_000_000, "values": after}}


def counters(value: int, speed: float = 1.0) -> dict[str, float]:
    """What one second of the reader adds to the disk's counters."""
    merges = {0: 6000.0, 1: 6000.0, 2: 0.0}[value] * speed
    done = 8000.0 * speed - merges
    return {
        "disk.read_ios": done,
        "disk.read_merges": merges,
        "disk.read_sectors": 64000.0 * speed,
        "disk.read_ticks_ms": 8.0 * done,
        "disk.write_ios": 0.0,
        "disk.write_merges": 0.0,
        "disk.write_ticks_ms": 0.0,
    }


def _row(workload: str, value: int, windows: list[Raw]) -> Raw:
    iops = {0: 8000.0, 1: 7000.0, 2: 2000.0}[value]
    job = {"job": "scan", "role": "reader", "iops": iops, "bytes_s": iops * 4096}
    return {
        "profile": "my-ssd",
        "workload": workload,
        "effective": {"sys/block/sda/queue/nomerges": str(value)},
        "facts": {"rotational": 0},
        "result": [job],
        "windows": windows,
    }


def record_machine(root: Path, value: int, snapshots: int = 7) -> None:
    """A recorded tree with one disk, read sequentially at `value`, a snapshot per second."""
    per_second = counters(value)
    for number in range(snapshots):
        total = {name: round(each * number) for name, each in per_second.items()}
        reads = [total[f"disk.read_{name}"] for name in ("ios", "merges", "sectors", "ticks_ms")]
        stats = " ".join(map(str, [8, 0, "sda", *reads, 0, 0, 0, 0, 0, number * 1000, 0]))
        files = {
            "taken_ns": str(number * 1_000_000_000),
            "proc/diskstats": stats,
            "sys/block/sda/dev": "8:0",
            "sys/block/sda/size": "2097152",
            "sys/block/sda/diskseq": "1",
            "sys/block/sda/queue/nomerges": str(value),
            "sys/block/sda/queue/rotational": "0",
        }
        for name, text in files.items():
            path = root / f"{number:03}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
