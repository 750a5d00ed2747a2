"""RocksDB's six on the patched kernel: the default, static values and mlproxy.  Run on the host.

rocksdb.py boots User Mode Linux once for each workload (rocksdb_guest.py), adds what each boot
measured to a JSON file, and writes the table beside it.  The kernel is that of scripts/perf.sh.
What stands in the file already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

from rocksdb_table import document

from mlproxy.lab.matrix.loads.rocksdb import SIX
from mlproxy.lab.matrix.machine import machine_facts

ROOT = Path(__file__).parents[2]
BOOT = ROOT / "kpatches/scripts/boot.sh"
GUEST = Path(__file__).with_name("rocksdb_guest.py")
WORK = Path(os.environ.get("MLPROXY_KERNEL_DIR", ROOT / "build/kernel")).resolve()
KERNEL = WORK / "perf/build-um/linux"
MEMORY, PATIENCE_S = "2500M", 1800
KEPT_ON_FAILURE = 4000
"""Characters of what a boot said."""

WAYS = {"mmap": [], "pread": ["--pread"], "stock-16": ["--stock", "--files", "16"]}
"""Mapped tables that stay open; read with pread; mapped, 16 open at most, without the class."""

_writes = Lock()


def main() -> int:
    options = parsed()
    path: Path = options.out / f"{options.name}.json"
    if not options.report:
        if not KERNEL.exists():
            raise SystemExit(f"no kernel {KERNEL}: make it with kpatches/scripts/perf.sh")
        jobs = list(product(range(options.passes), options.ways, options.benchmarks))
        path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(options.jobs) as pool:
            waiting = [pool.submit(measure, path, *job, options.guest) for job in jobs]
        done = [each.result() for each in waiting]
        if not all(done):
            return 1
    found = load(path)
    if options.note:
        found.setdefault("notes", []).append(options.note)
        save(path, found)
    path.with_suffix(".md").write_text(document(found, path.name))
    return 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", nargs="*", choices=SIX, default=SIX)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/bench")
    parser.add_argument("--name", default="rocksdb-kernel", help="of the rows and the page")
    parser.add_argument("--jobs", type=int, default=1, help="kernels at once, one CPU each")
    parser.add_argument("--passes", type=int, default=1, help="boots of each workload")
    parser.add_argument("--note", help="a sentence for the page, e.g. what ran beside")
    parser.add_argument("--report", action="store_true", help="write the table, measure nothing")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=["mmap"])
    parser.add_argument(
        "--guest", nargs=argparse.REMAINDER, default=[], help="options of rocksdb_guest.py, last"
    )
    return parser.parse_args()


def measure(path: Path, number: int, way: str, benchmark: str, of_guest: Sequence[str]) -> bool:
    """One boot, unless the file has it; False when it failed."""
    key = f"{benchmark} {way} {number}"
    if any(run["key"] == key for run in load(path)["runs"]):
        return True
    text = boot([benchmark, *WAYS[way], *of_guest])
    results = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if not results:
        print(f"{key}: failed\n{text[-KEPT_ON_FAILURE:]}", flush=True)
        return False
    with _writes:
        found = load(path)
        found["runs"].append(
            {"key": key, "way": way, **json.loads(results[-1].removeprefix("RESULT "))}
        )
        save(path, found)
    print(f"{key}: done", flush=True)
    return True


def boot(arguments: Sequence[str]) -> str:
    """What the guest printed; its progress goes to stderr."""
    command = f"cd {ROOT} && COLUMNS=140 PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
    command += f" {sys.executable} {GUEST} {shlex.join(arguments)}"
    environment = {"KERNEL": str(KERNEL), "MEM": MEMORY, "TIMEOUT": str(PATIENCE_S)}
    environment |= {"MLPROXY_KERNEL_DIR": str(WORK)}
    ended = subprocess.run(
        ["sh", str(BOOT), "um", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return ended.stdout


def load(path: Path) -> dict[str, Any]:
    """The file, or what begins one."""
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return {"machine": machine_facts(), "runs": []}


def save(path: Path, found: dict[str, Any]) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(path)


if __name__ == "__main__":
    sys.exit(main())
