"""What runs inside a booted lab kernel for writeback: a slow disk, writers, the agent.

`python backlog_guest.py` prints progress on stderr and one JSON document, the last line of stdout:
a stream and bursts by default and under the agent, which reaches the kernel's own limit, and
what is left when the agent is killed while that limit rules.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlproxy.lab.agentrun import policy
from mlproxy.lab.notes import writing

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "kpatches/checks"))
import lab  # noqa: E402

MB_S, SIZE_MB = 20, 1500
THRESHOLD_S = 12.0
"""Of the device's writing: what the guest's memory can hold twice."""

MAX_DRAIN = "2s"
STREAM_S, MEASURED_S = 50.0, 12.0
BURSTS = "burst-80-6:25"
CLASS = Path("/sys/class/ml_proxy")
SCRATCH = Path("/tmp/backlog")
MLPROXY = [sys.executable, "-c", "import sys; from mlproxy.cli import main; sys.exit(main())"]
FEATURES = ("accepted_pages", "dirtied_pages", "written_pages", "backlog_pages", "pauses")


class Anywhere:
    """No cgroup."""

    @staticmethod
    def wrap(argv: Sequence[str]) -> list[str]:
        return list(argv)


@dataclass(frozen=True)
class Disk:
    """The device and its folder in class ml_proxy."""

    name: str
    mount: Path
    folder: Path

    def number(self, name: str) -> int:
        return int((self.folder / name).read_text() or 0)

    def written_mb(self) -> float:
        return int(Path(f"/sys/block/{self.name}/stat").read_text().split()[6]) * 512e-6

    def left(self) -> dict[str, str]:
        """What the files hold."""
        bdi = Path("/sys/class/bdi") / self.folder.name.partition(".")[2]
        paths = [bdi / "max_ratio_fine", bdi / "strict_limit", self.folder / "mode_limit"]
        paths += [self.folder / "lease_remaining_ms"]
        return {path.name: path.read_text().strip() for path in paths}


def main() -> dict[str, Any]:
    SCRATCH.mkdir(exist_ok=True)
    threshold = round(THRESHOLD_S * MB_S * 1e6)
    Path("/proc/sys/vm/dirty_bytes").write_text(str(threshold))
    Path("/proc/sys/vm/dirty_background_bytes").write_text(str(threshold // 2))
    with lab.device("backlog", size_mb=SIZE_MB, mb_s=MB_S) as device:
        disk = Disk(device.name, device.mount, CLASS / f"writeback.{device.number}")
        found: dict[str, Any] = {"baseline_kb": disk.number("dirty_limit_kb/baseline")}
        for name in ("default", "agent"):
            found[name] = one_arm(disk, name)
            say(f"{name}: {found[name]}")
        found["killed"] = killed(disk)
        say(f"killed: {found['killed']}")
    return found


def one_arm(disk: Disk, name: str) -> dict[str, Any]:
    """A stream and its sync, then bursts."""
    with agent(disk, name) if name == "agent" else nobody() as state:
        found = stream(disk)
        time.sleep(8.0)
        with writing(disk.mount, Anywhere(), {"write.0": BURSTS}) as writers:
            bursts = writers.wait()["write.0"].of("burst")
        found["burst_mb_s"] = min(bursts.mb_s, 5.0 * MB_S)
        found["status"] = json.loads((state / "status.json").read_text()) if state else {}
        outcomes = (state / "outcomes.jsonl").read_text() if state else ""
    lines = [json.loads(line) for line in outcomes.splitlines()]
    found["changes"] = [each for each in lines if each["kind"] == "change"]
    return found | {"left": disk.left()}


def stream(disk: Disk) -> dict[str, Any]:
    with writing(disk.mount, Anywhere(), {"write.0": f"stream:{STREAM_S:g}"}) as writers:
        time.sleep(STREAM_S - MEASURED_S)
        before, since_s = disk.written_mb(), time.monotonic()
        time.sleep(MEASURED_S - 1.0)
        written = (disk.written_mb() - before) / (time.monotonic() - since_s)
        limit_kb = disk.number("dirty_limit_kb/effective")
        features: Mapping[str, int] = {n: disk.number(f"features/{n}") for n in FEATURES}
        noted = writers.wait()["write.0"]
        subprocess.run(["sync", "-f", str(disk.mount)], check=True)
        drain_s = time.monotonic() - noted.notes[-1].end_ns / 1e9
    return {
        "drain_s": drain_s,
        "written_mb_s": written,
        "limit_kb": limit_kb,
        "stall_s": noted.longest_s,
        "features": features,
    }


def killed(disk: Disk) -> dict[str, Any]:
    """The agent dies while the limit rules: how much longer that ruled, and what is left."""
    with (
        writing(disk.mount, Anywhere(), {"write.0": "stream:80"}),
        agent(disk, "killed") as state,
    ):
        deadline_s = time.monotonic() + 65.0
        while not disk.number("lease_remaining_ms") and time.monotonic() < deadline_s:
            time.sleep(0.05)
        ruled = bool(disk.number("lease_remaining_ms"))
        end(state, signal.SIGKILL)
        began_s = time.monotonic()
        while disk.number("lease_remaining_ms"):
            time.sleep(0.02)
        took_s = time.monotonic() - began_s
        effective = disk.number("dirty_limit_kb/effective")
    subprocess.run([*MLPROXY, "revert", "--state", str(state)], cwd=ROOT, check=True)
    return {"ruled": ruled, "for_s": took_s, "effective_kb": effective, "left": disk.left()}


@contextmanager
def nobody() -> Iterator[None]:
    yield None


RUNNING: dict[Path, subprocess.Popen[bytes]] = {}


@contextmanager
def agent(disk: Disk, name: str) -> Iterator[Path]:
    """The agent with its own policy but for the aim."""
    state, rules = SCRATCH / f"{name}-state", SCRATCH / f"{name}.yaml"
    rules.write_text(policy("writeback", start="learning", trust="measured", max_drain=MAX_DRAIN))
    command = [*MLPROXY, "run", "--state", str(state), "-c", str(rules), "--devices", disk.name]
    RUNNING[state] = subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr, stderr=sys.stderr)
    try:
        yield state
    finally:
        end(state, signal.SIGTERM)


def end(state: Path, number: signal.Signals) -> None:
    run = RUNNING[state]
    if run.poll() is None:
        run.send_signal(number)
        run.wait()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "140"
    print(f"RESULT {json.dumps(main())}", flush=True)
