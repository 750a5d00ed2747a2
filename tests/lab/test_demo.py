"""The demonstration: what it says, and that nothing is left after Ctrl-C at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlproxy.cli.exit_codes import INTERRUPTED
from mlproxy.lab import demo_view
from mlproxy.lab.demo_view import Run
from mlproxy.lab.reader import Sample
from mlproxy.lab.timeline import NS, KnobSample, Span

needs_bed = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists(),
    reason="needs root, /dev/fuse and loop devices",
)
TRIES = 10
LONGEST_S = 5.0


def a_run(name: str, speed: int, knob: list[KnobSample]) -> Run:
    """Two phases of ten seconds at a constant speed in bytes per second."""
    samples = [Sample(second * NS, second // 11, second * speed) for second in range(21)]
    phases = [Span("random", 0, 10 * NS), Span("sequential", 10 * NS, 20 * NS)]
    return Run(name, [samples], phases, knob)


@pytest.mark.parametrize(
    ("ratio", "word"), [(0.9, "worse"), (0.98, "the same"), (1.02, "the same"), (2.0, "better")]
)
def test_a_loss_is_called_one(ratio: float, word: str) -> None:
    assert demo_view.word(ratio) == word


def test_the_plot_shows_both_runs_to_one_scale_and_the_knob_below() -> None:
    without = a_run("without", 500_000, [KnobSample(0, "128")])
    treated = a_run("with", 1_000_000, [KnobSample(0, "128"), KnobSample(5 * NS, "4")])
    lines = demo_view.plot(without, treated, columns=20).plain.splitlines()
    knobs = [line for line in lines if line.endswith("read_ahead_kb")]
    assert knobs[0].startswith("128───────│──────────")
    assert knobs[1].startswith("128─4─────│──────────") or knobs[1].startswith("128──4────│")
    full = [line.count("█") for line in lines]
    assert sum(full[: len(full) // 2]) < sum(full[len(full) // 2 :])
    assert "1.0 MB/s" in lines[1]


def traces() -> set[str]:
    """What demos could leave: places of beds, mounts, loop devices, folders, processes."""
    found = {str(path) for path in Path("/run/mlproxy/lab").glob("*")}
    found |= {str(path) for path in Path("/tmp").glob("mlproxy-demo-*")}
    found |= {str(path) for path in Path("/dev/shm").glob("mlproxy-lab-*")}
    found |= {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
    for path in Path("/sys/fs/cgroup").glob("**/*mlproxy*"):
        found.add(str(path))
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        found.add(path.read_text())
    return found


def processes(marker: str) -> list[str]:
    """Processes whose environment carries the marker: everything that a demo started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def owned(traces_now: set[str], pid: int) -> set[str]:
    """Those that name the process: other beds may come and go meanwhile."""
    return {each for each in traces_now if f"-{pid}-" in each or f"/{pid}-" in each}


@pytest.mark.root
@needs_bed
@pytest.mark.parametrize("number", range(TRIES))
def test_nothing_is_left_after_a_signal_at_a_random_moment(number: int, tmp_path: Path) -> None:
    rng = random.Random(number)
    marker = f"MLPROXY_DEMO_TEST={os.getpid()}-{number}-"
    loops = idle_knobs()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlproxy.lab.demo",
            "--seconds",
            "0.5",
            "--size-mb",
            "40",
            "--lock",
            str(tmp_path / "lock"),
        ],
        env={**os.environ, "MLPROXY_DEMO_TEST": marker.partition("=")[2], "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(rng.uniform(0.0, LONGEST_S))
    # As a terminal does it: the whole foreground group.
    os.killpg(process.pid, rng.choice((signal.SIGINT, signal.SIGTERM)))
    _, said = process.communicate(timeout=30)
    # Before the first line of the program a signal has its default effect; nothing exists yet.
    early = (-signal.SIGINT, -signal.SIGTERM, 1)
    assert process.returncode in (0, INTERRUPTED, *early), said
    assert owned(traces(), process.pid) == set()
    assert processes(marker) == []
    assert list(tmp_path.glob("mlproxy-demo-*")) == []
    changed = {
        disk: value for disk, value in idle_knobs().items() if loops.get(disk, value) != value
    }
    assert changed == {}


def idle_knobs() -> dict[str, str]:
    """read_ahead_kb of loop devices that nobody uses."""
    return {
        path.name: (path / "bdi/read_ahead_kb").read_text()
        for path in Path("/sys/block").glob("loop*")
        if not (path / "loop/backing_file").exists()
    }
