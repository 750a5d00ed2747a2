"""`mlproxy demo`: one workload without and with the agent, on a device of its own.

One client scans a table, then eight look up rows at random. The kernel's default readahead
of 128 KiB suits the scan and should stay; for the look-ups it is far too much.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from mlproxy.cli.console import out
from mlproxy.cli.exit_codes import INTERRUPTED
from mlproxy.cli.signals import ENDING
from mlproxy.errors import MlproxyError
from mlproxy.lab.agentrun import AgentRun, Watcher, knob_files, policy
from mlproxy.lab.clients import Client, Clients, lay_out_file, started
from mlproxy.lab.demo_view import Now, Run, Screen, ending, opening
from mlproxy.lab.lock import LOCK_PATH, lab_lock
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.reader import Sample
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import Span, rate
from mlproxy.model import load_model
from mlproxy.registry import load_registry

PROFILE = PROFILES["ssd-dilated"]
CLIENTS = 8
KNOB = "read_ahead_kb"
PHASES = ("sequential", "random")
PHASE_S = 14.0
FILE_MB, MEMORY_MB = 1200, 128
POLL_S = 0.25


class Interrupt:
    """Ctrl-C, SIGTERM and SIGHUP, noted when they come and obeyed where it is safe.

    An exception at any instruction could come between making something and noting that it
    was made; here nothing is ever half made.
    """

    def __init__(self) -> None:
        self.came = False

    def check(self) -> None:
        """KeyboardInterrupt if a signal has come."""
        if self.came:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals; what fails after one came failed because of it."""
        before = {number: signal.signal(number, self._note) for number in ENDING}
        try:
            yield
        except MlproxyError:
            self.check()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True


@dataclass
class Stage:
    """Everything a run needs."""

    console: Console
    bed: TestBed
    file: Path
    folder: Path
    phase_s: float
    interrupt: Interrupt


def run_demo(
    console: Console,
    *,
    phase_s: float = PHASE_S,
    size_mb: int = FILE_MB,
    lock: Path = LOCK_PATH,
    model: str = "builtin",
) -> None:
    """The whole demonstration; everything it made is gone when it returns or raises.

    Args:
        phase_s: length of either phase in seconds.
        size_mb: size of the table, which should not fit into the clients' cache.

    Raises:
        Busy: a measurement holds the lab.
        ModelError: the readahead adapter's model cannot be loaded.
        KeyboardInterrupt: a signal came; everything was cleaned up before.
    """
    load_model(load_registry().get("readahead"), model)
    interrupt = Interrupt()
    with interrupt.listening(), lab_lock("mlproxy demo", path=lock):
        with (
            tempfile.TemporaryDirectory(prefix="mlproxy-demo-") as folder,
            TestBed(PROFILE, size_mb=size_mb * 5 // 4 + 100, memory_mb=MEMORY_MB) as bed,
        ):
            interrupt.check()
            opening(console, PROFILE, bed.disk, CLIENTS, phase_s)
            file = lay_out_file(bed, size_mb)
            interrupt.check()
            stage = Stage(console, bed, file, Path(folder), phase_s, interrupt)
            without = _without(stage)
            treated = _with_agent(stage, model)
        ending(console, without, treated)


def _without(stage: Stage) -> Run:
    watcher = Watcher(knob_files(stage.bed, ["readahead"]))
    watcher.start()
    try:
        return _measure(stage, "without mlproxy", watcher, None)
    finally:
        watcher.stop()


def _with_agent(stage: Stage, model: str) -> Run:
    policies = {"readahead": policy("readahead", model=model)}
    with AgentRun(stage.bed, policies, stage.folder) as agent:
        agent.wait_ready()
        return _measure(stage, "with mlproxy", agent.watcher, agent)


def _measure(stage: Stage, name: str, watcher: Watcher, agent: AgentRun | None) -> Run:
    """One client through both phases; the others join it for the second."""
    stage.bed.drop_caches()
    seconds = stage.phase_s
    first = Client(",".join(f"{pattern}:{seconds}" for pattern in PHASES))
    others = [Client(f"{PHASES[1]}:{seconds}", seed=seed) for seed in range(1, CLIENTS)]
    folder = stage.folder / name.replace(" ", "-")
    with ExitStack() as stack:
        screen = stack.enter_context(Screen(stage.console, name, len(PHASES) * seconds))
        crowd = [stack.enter_context(started(stage.bed, stage.file, [first], folder / "first"))]
        while crowd[0].running:
            time.sleep(POLL_S)
            stage.interrupt.check()
            if agent is not None:
                agent.check()
            now = _now(crowd, watcher, agent, seconds)
            screen.show(now)
            if len(crowd) == 1 and now.elapsed_s >= seconds:
                joined = started(stage.bed, stage.file, others, folder / "others")
                crowd.append(stack.enter_context(joined))
        crowd[0].wait()
        return _finished(name, crowd, watcher, seconds)


def _samples(crowd: Sequence[Clients]) -> list[list[Sample]]:
    return [samples for clients in crowd for samples in clients.samples()]


def _now(crowd: Sequence[Clients], watcher: Watcher, agent: AgentRun | None, phase_s: float) -> Now:
    now_ns = time.monotonic_ns()
    elapsed_s = (now_ns - crowd[0].started_ns) / 1e9
    phase = PHASES[min(int(elapsed_s / phase_s), len(PHASES) - 1)]
    speed = rate(_samples(crowd), now_ns - 1_100_000_000, now_ns - 100_000_000)
    status = agent.status() if agent else None
    row = status.knobs[0] if status and status.knobs else None
    return Now(elapsed_s, phase, speed, watcher.now()[KNOB], row)


def _finished(name: str, crowd: Sequence[Clients], watcher: Watcher, phase_s: float) -> Run:
    """The phases by the first client's log, since the process needed a moment to start."""
    samples = _samples(crowd)
    begun_ns = samples[0][0].taken_ns
    width_ns = round(phase_s * 1e9)
    found = [
        Span(pattern, begun_ns + number * width_ns, begun_ns + (number + 1) * width_ns)
        for number, pattern in enumerate(PHASES)
    ]
    return Run(name, samples, found, list(watcher.samples[KNOB]))


def main(argv: Sequence[str] | None = None) -> int:
    """The demonstration with phases of another length; for tests."""
    parser = argparse.ArgumentParser(prog="python -m mlproxy.lab.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=PHASE_S, help="length of a phase")
    parser.add_argument("--size-mb", type=int, default=FILE_MB, help="size of the table")
    parser.add_argument("--lock", type=Path, default=LOCK_PATH, help="the lab's lock file")
    parser.add_argument("--model", default="builtin", help="folder of a model")
    options = parser.parse_args(argv)
    try:
        run_demo(
            out(),
            phase_s=options.seconds,
            size_mb=options.size_mb,
            lock=options.lock,
            model=options.model,
        )
    except MlproxyError as error:
        print(f"mlproxy demo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; everything was removed again", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
