"""What runs inside a booted lab kernel: a modelled disk, a reader that never reopens, the agent.

`python guest.py SECONDS_OF_THE_FIRST_PHASE [shipped]` prints progress on stderr and one JSON
document, the last line of stdout. First the values are tried one by one on files opened for
each, which is what the best value is taken from; then the agent meets one file that stays
open: with a model that knows the device on the patched kernel, and as on a stock one, and
with `shipped` also with the model that is shipped.
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
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from mlproxy.lab.clients import lay_out_file
from mlproxy.lab.profile import Profile
from mlproxy.lab.reader import Sample, read_log
from mlproxy.lab.testbed import TestBed

DISK = Profile("guest", latency_us=1000, bandwidth_mb_s=30, channels=8)
"""So slow that the one CPU of User Mode Linux, which serves it too, is not what limits."""

VALUES = {"random": (4, 16, 128), "sequential": (128, 512, 2048)}
BASELINE_KB = 128
TRY_S, REPEATS = 6.0, 2
SETTLED_S = 15.0
"""What is compared is the end of each phase, when the agent has found its way."""

ROOT = Path(__file__).parents[2]
CLASS = Path("/sys/class/ml_proxy")
SCRATCH = Path("/tmp/end-to-end")
SURE = [sys.executable, str(Path(__file__).with_name("sure.py"))]


def main(phase_s: float, shipped: bool) -> dict[str, Any]:
    SCRATCH.mkdir(exist_ok=True)
    Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+memory")
    with TestBed(DISK, size_mb=400, memory_mb=48) as bed:
        file = lay_out_file(bed, 300)
        device = (Path("/sys/block") / bed.disk / "dev").read_text().strip()
        found: dict[str, Any] = {
            "device": device,
            "probe": mlproxy("probe", "--devices", bed.disk, "--json"),
            "probe_text": mlproxy("probe", "--devices", bed.disk),
            "dry_run": dry_run(bed, file, f"readahead.{device}"),
            "limit_after_dry_run": (CLASS / f"readahead.{device}/mode_limit").read_text().strip(),
            "tried": {p: tried(bed, file, device, p, v) for p, v in VALUES.items()},
        }
        both = {"random": phase_s, "sequential": max(phase_s / 2, 2 * SETTLED_S)}
        found["kernel"] = agent(bed, file, device, both, SURE)
        with without_the_class():
            found["stock"] = agent(bed, file, device, {"random": 2 * SETTLED_S}, SURE)
        for name, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP)):
            found[name] = dead_man(bed, file, device, number)
        if shipped:
            found["shipped"] = agent(bed, file, device, both, program())
    return found


def tried(
    bed: TestBed, file: Path, device: str, pattern: str, values: Sequence[int]
) -> dict[int, float]:
    """Useful MB/s of a reader that opens the file anew under each value, in turns."""
    knob = Path("/sys/class/bdi") / device / "read_ahead_kb"
    found: dict[int, list[float]] = {value: [] for value in values}
    for _, value in product(range(REPEATS), values):
        knob.write_text(f"{value}\n")
        log = SCRATCH / f"{pattern}-{value}"
        with reader(bed, file, f"{pattern}:{TRY_S}", log) as running:
            running.wait()
        found[value].append(mb_s(read_log(log), last_s=TRY_S * 0.7))
        say(f"{pattern} at {value} KiB: {found[value][-1]:.2f} MB/s")
    knob.write_text(f"{BASELINE_KB}\n")
    return {value: median(each) for value, each in found.items()}


def dry_run(bed: TestBed, file: Path, proxy: str) -> Any:
    with reader(bed, file, "random:8", SCRATCH / "dry") as running:
        time.sleep(1)
        found = mlproxy("apply", "--dry-run", "--devices", proxy, "--json")
        running.wait()
    return found


def agent(
    bed: TestBed, file: Path, device: str, phases: Mapping[str, float], program: Sequence[str]
) -> dict[str, Any]:
    """One reader on one open file through all phases, the agent beside it."""
    name = f"agent-{time.monotonic_ns()}"
    log, state = SCRATCH / name, SCRATCH / f"{name}-state"
    command = [*program, "run", "--state", str(state), "--devices", f"readahead.{device}"]
    spec = ",".join(f"{pattern}:{seconds:g}" for pattern, seconds in phases.items())
    with reader(bed, file, spec, log) as running:
        said = (SCRATCH / f"{name}.txt").open("w+")
        run = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT)
        running.wait()
        status = json.loads((state / "status.json").read_text())
        explained = _explain(state)
        run.terminate()
        run.wait()
    samples = read_log(log)
    said.seek(0)
    return {
        "mb_s": {
            pattern: mb_s([s for s in samples if s.phase == number], SETTLED_S)
            for number, pattern in enumerate(phases)
        },
        "curve": curve(samples),
        "said": said.read().splitlines(),
        "status": status,
        "explained": explained,
        "outcomes": [json.loads(line) for line in (state / "outcomes.jsonl").open()],
        "left": left(device),
    }


def dead_man(bed: TestBed, file: Path, device: str, number: signal.Signals) -> dict[str, Any]:
    """The agent dies while it rules: when its value last ruled, and what is left after what
    an operator would do then: revert, or let it go on and end."""
    name = f"dead-man-{number.name}"
    state, folder = SCRATCH / name, CLASS / f"readahead.{device}"
    options = ["--state", str(state), "--devices", f"readahead.{device}"]
    with (
        reader(bed, file, "random:90", SCRATCH / f"{name}-log"),
        subprocess.Popen([*SURE, "run", *options], cwd=ROOT, stdout=subprocess.DEVNULL) as run,
    ):
        while run.poll() is None and not lease_left_ms(folder):
            time.sleep(0.05)
        run.send_signal(number)
        began = last_ruled = time.monotonic()
        while lease_left_ms(folder):
            if knob_of(folder, "effective") != knob_of(folder, "baseline"):
                last_ruled = time.monotonic()
            time.sleep(0.01)
        effective = knob_of(folder, "effective")
        if number == signal.SIGKILL:
            run.wait()
            mlproxy("revert", "--state", str(state))
        else:
            run.send_signal(signal.SIGCONT)
            run.terminate()
    ruled_s = last_ruled - began
    return {"last_ruled_s": ruled_s, "effective": effective, "left": left(device)}


def lease_left_ms(folder: Path) -> int:
    return int((folder / "lease_remaining_ms").read_text())


def knob_of(folder: Path, name: str) -> str:
    return (folder / "read_ahead_kb" / name).read_text().strip()


def _explain(state: Path) -> list[str]:
    """What `explain` says of each recommendation that was applied."""
    lines = (json.loads(line) for line in (state / "outcomes.jsonl").open())
    applied = [e["id"] for e in lines if e["kind"] == "decision" and e["action"] == "apply"]
    return [str(mlproxy("explain", each, "--state", str(state))) for each in applied]


def left(device: str) -> dict[str, str]:
    """What the files hold once the agent has gone."""
    folder = CLASS / f"readahead.{device}"
    paths = [Path("/sys/class/bdi") / device / "read_ahead_kb"]
    paths += [folder / name for name in ("mode_limit", "lease_ms", "lease_remaining_ms")]
    return {path.name: path.read_text().strip() for path in paths if path.exists()}


@contextmanager
def reader(bed: TestBed, file: Path, phases: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A reader in the bed's cgroup that keeps its file open."""
    log.unlink(missing_ok=True)
    drop_caches()
    command = [sys.executable, "-m", "mlproxy.lab.reader", str(file), "--phases", phases]
    command += ["--reopen-s", "100000", "--log", str(log)]
    procs = bed.cgroup.path / "cgroup.procs"
    running = subprocess.Popen(["sh", "-c", f'echo $$ >{procs}; exec "$@"', "sh", *command])
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


@contextmanager
def without_the_class() -> Iterator[None]:
    """As on a stock kernel: the class cannot be seen."""
    subprocess.run(["mount", "-t", "tmpfs", "none", str(CLASS)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(CLASS)], check=True)


def mb_s(samples: Sequence[Sample], last_s: float) -> float:
    """Useful MB/s over the last seconds."""
    end = samples[-1]
    since = next(s for s in samples if s.taken_ns >= end.taken_ns - last_s * 1e9)
    return (end.useful_bytes - since.useful_bytes) / max(end.taken_ns - since.taken_ns, 1) * 1e3


def curve(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """(second, MB/s) every two seconds."""
    found, last = [], samples[0]
    for sample in samples:
        if sample.taken_ns - last.taken_ns >= 2e9:
            rate = (sample.useful_bytes - last.useful_bytes) / (sample.taken_ns - last.taken_ns)
            found.append((round((sample.taken_ns - samples[0].taken_ns) / 1e9, 1), rate * 1e3))
            last = sample
    return found


def mlproxy(*arguments: str) -> Any:
    """A command's report, as JSON where it was asked for."""
    ended = subprocess.run([*program(), *arguments], capture_output=True, text=True, cwd=ROOT)
    if ended.returncode:
        raise RuntimeError(f"mlproxy {arguments[0]}: {ended.stderr}")
    return json.loads(ended.stdout) if "--json" in arguments else ended.stdout


def program() -> list[str]:
    return [sys.executable, "-c", "import sys; from mlproxy.cli import main; sys.exit(main())"]


def drop_caches() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("1\n")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "140"
    result = main(float(sys.argv[1]), "shipped" in sys.argv)
    print(f"RESULT {json.dumps(result)}", flush=True)
