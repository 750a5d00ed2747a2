"""One of RocksDB's six inside a booted lab kernel: the default, static values and the agent.

python rocksdb_guest.py BENCHMARK ... prints progress on stderr and one JSON document, the last
line of stdout.  The disk is the test bed's, the database one that stays open for the whole of a
run.  First every static value is tried for a short time on a database opened under it; then the
default, the best of the tries (the oracle) and the agent take turns, in an order of their own in
each repeat.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lab
from rocksdb_run import Database, Run, rate

from mlproxy.lab.agentrun import AgentRun, Watcher
from mlproxy.lab.bench.setup import held
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed
from mlproxy.registry import load_registry

PROXY = "readahead"
DEFAULT_KB = 128
VALUES_KB = (4, 16, 64, 512, 2048, 8192)
"""What is tried beside the default: of the adapter's grid."""

CGROUP_ROOT = Path("/sys/fs/cgroup")
EXPLAINED = 4
"""Rules of which one decision is explained in full."""


@dataclass(frozen=True)
class Times:
    """Seconds of each run: not counted at first, and counted."""

    warm: float
    settle: float
    counted: float
    tried: float


def main() -> dict[str, Any]:
    options = parsed()
    times = Times(options.warm, options.settle, options.seconds, options.tried)
    (CGROUP_ROOT / "cgroup.subtree_control").write_text("+memory")
    with TestBed(PROFILES[options.profile], options.disk_mb, memory_mb=options.memory_mb) as bed:
        database = Database(bed, options.benchmark, options.mapped, options.keys, options.files)
        began_s = time.monotonic()
        database.lay_out()
        say(f"laid out in {time.monotonic() - began_s:.0f} s")
        rows = list(measured(database, times, options))
        return {
            "workload": database.name,
            "device": asdict(bed.profile),
            "keys": options.keys,
            "memory_mb": options.memory_mb,
            "times_s": asdict(times),
            "command": database.command("DB", 0),
            "rows": rows,
        }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--pread", dest="mapped", action="store_false")
    parser.add_argument("--files", type=int, default=0, help="open_files; small tables with it")
    parser.add_argument("--stock", action="store_true", help="hide the class from the agent")
    parser.add_argument("--profile", default="ssd-dilated")
    parser.add_argument("--keys", type=int, default=600_000)
    parser.add_argument("--memory-mb", type=int, default=128)
    parser.add_argument("--disk-mb", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm", type=float, default=10.0)
    parser.add_argument("--settle", type=float, default=100.0, help="of the agent")
    parser.add_argument("--tried", type=float, default=6.0, help="each static value")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--values", type=int, nargs="*", default=VALUES_KB, help="KiB, tried")
    return parser.parse_args()


def measured(database: Database, times: Times, options: argparse.Namespace) -> Iterator[Any]:
    """The rows, one after the other."""
    order = random.Random(database.name)
    tried: dict[int, float] = {}
    for value in order.sample([DEFAULT_KB, *options.values], len(options.values) + 1):
        row = static(database, "tried", value, times.tried / 4, times.tried, 0)
        tried[value] = row["ops_s"]
        yield row
    best = max(tried, key=lambda value: tried[value])
    for repeat in range(options.repeats):
        for name in order.sample(["default", "oracle", "mlproxy"], 3):
            if name == "mlproxy":
                yield with_agent(database, times, repeat, is_stock=options.stock)
            else:
                value = best if name == "oracle" else DEFAULT_KB
                yield static(database, name, value, times.warm, times.counted, repeat)


def static(
    database: Database, name: str, value: int, warm_s: float, counted_s: float, repeat: int
) -> dict[str, Any]:
    """A value that rules from before the database is opened."""
    knob = Path("/sys/class/bdi") / database.bed.devno / "read_ahead_kb"
    knob.write_text(f"{value}\n")
    try:
        run = database.run(warm_s + counted_s, repeat)
    finally:
        knob.write_text(f"{DEFAULT_KB}\n")
    return row_of(database, run, name, value, repeat, warm_s) | {"read_ahead_kb": value}


def with_agent(database: Database, times: Times, repeat: int, *, is_stock: bool) -> dict[str, Any]:
    """The agent with its shipped policy and model, begun before the database is opened."""
    bed = database.bed
    rules = (load_registry().get(PROXY).home() / "policy.yaml").read_text()
    folder = lab.CLASS / f"{PROXY}.{bed.devno}"
    with (
        hidden_class() if is_stock else nullcontext(),
        tempfile.TemporaryDirectory(prefix="rocksdb-") as scratch,
        AgentRun(bed, {PROXY: rules}, Path(scratch)) as agent,
    ):
        agent.wait_ready()
        knob = folder / lab.KNOB / "effective"
        watcher = agent.watcher if is_stock else Watcher({lab.KNOB: knob})
        if not is_stock:
            watcher.start()
        run = database.run(times.settle + times.counted, repeat)
        if not is_stock:
            watcher.stop()
        outcomes = agent.outcomes()
        status = json.loads((agent.state / "status.json").read_text())
        said = explained(agent.state, outcomes)
        trial = {} if is_stock else trial_of(folder)
    begun_ns = run.begun_ns + round(times.settle * 1e9)
    samples = watcher.samples[lab.KNOB]
    changes = [(round((each.taken_ns - run.begun_ns) / 1e9, 1), each.value) for each in samples]
    ruled = held(samples, begun_ns, run.ended_ns)
    return row_of(database, run, "mlproxy", ruled, repeat, times.settle) | {
        "held": ruled,
        "effective": changes,
        "trial": trial,
        "events": [event for event in outcomes if event["kind"] not in ("decision", "change")],
        "rules": rules_of(outcomes),
        "explained": said,
        "status": status["knobs"],
    }


def row_of(
    database: Database, run: Run, name: str, value: object, repeat: int, warm_s: float
) -> dict[str, Any]:
    """What every run tells; ops_s without what came before it counted, ops_s_whole with that."""
    found = {
        "contender": name,
        "repeat": repeat,
        "ops_s": rate(run.beats, warm_s),
        "ops_s_whole": rate(run.beats, 0.0),
        "seconds": (run.ended_ns - run.begun_ns) / 1e9 - warm_s,
        "late_us": database.bed.stats()["late_us"],
        "curve": run.curve(),
    }
    say(f"{database.name} {name} {value} #{repeat}: {found['ops_s']:.0f} ops/s")
    return found


def trial_of(folder: Path) -> dict[str, str]:
    """The kernel's own account, and its mode."""
    files = [*sorted((folder / "trial").iterdir()), folder / "mode"]
    return {file.name: file.read_text().strip() for file in files}


def rules_of(outcomes: list[dict[str, Any]]) -> Mapping[str, int]:
    """How often the gate came to which verdict about what."""
    decisions = [each for each in outcomes if each["kind"] == "decision"]
    return Counter(f"{d['current']} to {d['proposed']}: {d['rule']}" for d in decisions)


def explained(state: Path, outcomes: list[dict[str, Any]]) -> list[str]:
    """What `explain` says of the first decision of each rule."""
    first: dict[str, str] = {}
    for each in outcomes:
        if each["kind"] == "decision":
            first.setdefault(each["rule"], each["id"])
    return [explain(state, each) for each in list(first.values())[:EXPLAINED]]


def explain(state: Path, decision: str) -> str:
    command = [sys.executable, "-c", "import sys; from mlproxy.cli import main; sys.exit(main())"]
    command += ["explain", decision, "--state", str(state)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ended.stdout or ended.stderr).strip()


@contextmanager
def hidden_class() -> Iterator[None]:
    """As on a stock kernel: the class cannot be seen."""
    subprocess.run(["mount", "-t", "tmpfs", "none", str(lab.CLASS)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(lab.CLASS)], check=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(f"RESULT {json.dumps(main(), default=str)}", flush=True)
