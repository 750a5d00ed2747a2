"""Progress that takes time to ask for: a command, a Prometheus endpoint.

A thread asks at a low rate, so that the loop never waits; a reading that is too old is none.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

INTERVAL_S = 0.5
TIMEOUT_S = 2.0
MOST_OUTPUT_BYTES = 4096
MOST_METRICS_BYTES = 16 << 20


class PolledProgress:
    """The newest answer of `ask`, from a thread of its own.

    Args:
        name: what is read, for people.
        ask: gives the number; may block and may raise. What it raises is kept in `problem`.
        interval_s: pause between two questions; a reading may be twice as old.
    """

    def __init__(self, name: str, ask: Callable[[], float], interval_s: float = INTERVAL_S) -> None:
        self.name = name
        self.resolution_s = 2 * interval_s
        self.problem = ""
        self._ask, self._interval_s = ask, interval_s
        self._reading: tuple[float, float] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def read(self) -> float | None:
        """The newest number; None while there is none younger than `resolution_s`."""
        reading = self._reading
        if reading is None or time.monotonic() - reading[0] > self.resolution_s:
            return None
        return reading[1]

    def close(self) -> None:
        """Ask no more. A question under way ends by its own timeout."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            asked_s = time.monotonic()
            try:
                self._reading, self.problem = (asked_s, self._ask()), ""
            except Exception as error:  # the thread must outlive whatever the source does
                self.problem = f"{self.name}: {error}"
            self._stop.wait(self._interval_s)


def command_progress(argv: Sequence[str]) -> PolledProgress:
    """The number that a command prints; run without a shell."""
    return PolledProgress(f"command {argv[0]}", lambda: run_command(argv))


def prometheus_progress(url: str, metric: str) -> PolledProgress:
    """A metric of a Prometheus text endpoint; several that match are added up."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> float:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            return find_metric(answer.read(MOST_METRICS_BYTES).decode(errors="replace"), metric)

    return PolledProgress(f"prometheus {metric} of {url}", ask)


def run_command(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> float:
    """What the command prints, as a number. Raises: OSError, ValueError.

    Over time, or printing too much, it is killed with all its process group.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    timer = threading.Timer(timeout_s, _kill, [process])
    timer.start()
    try:
        with process:
            assert process.stdout is not None
            text = process.stdout.read(MOST_OUTPUT_BYTES)
            process.stdout.close()
    finally:
        timer.cancel()
    if process.returncode:
        raise ValueError(f"ended with status {process.returncode}")
    return _finite(float(text))


def find_metric(text: str, metric: str) -> float:
    """Sum of the samples of `metric`, a name with labels if need be. Raises: ValueError.

    Only lines that begin with the name are parsed: an endpoint may hold thousands of others.
    """
    (wanted,) = _samples(f"{metric} 0")
    lines = "\n".join(line for line in text.splitlines() if line.startswith(wanted.name))
    found = [each.value for each in _samples(lines) if _matches(each, wanted)]
    if not found:
        raise ValueError(f"no metric {metric} there")
    return _finite(math.fsum(found))


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text + "\n"):
        yield from family.samples


def _matches(sample: Sample, wanted: Sample) -> bool:
    return sample.name == wanted.name and wanted.labels.items() <= sample.labels.items()


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no progress")
    return number


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
