"""The real agent as a child process beside a workload on a test bed, and what its knobs did.

with AgentRun(bed, policy("readahead", start="recommendation"), folder) as agent:
    agent.wait_ready()
    ...workload...
    agent.watcher.samples["read_ahead_kb"], agent.status(), agent.outcomes()
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from mlproxy.errors import LabError
from mlproxy.lab.timeline import KnobSample
from mlproxy.outcomes import Outcomes
from mlproxy.status import Status, read_status

WATCH_S = 0.05
READY_S = 30.0
END_S = 15.0
KNOBS: Mapping[str, Mapping[str, str]] = {
    "readahead": {"read_ahead_kb": "bdi/read_ahead_kb"},
    "writeback": {"max_ratio_fine": "bdi/max_ratio_fine", "strict_limit": "bdi/strict_limit"},
    "iosched": {
        "scheduler": "queue/scheduler",
        "nr_requests": "queue/nr_requests",
        "wbt_lat_usec": "queue/wbt_lat_usec",
    },
}
"""Files of each adapter's knobs below the disk's sysfs directory."""

# Not the `mlproxy` script: it need not be on the path, nor belong to this interpreter.
_MLPROXY = "import sys; from mlproxy.cli import main; sys.exit(main())"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Bed(Protocol):
    """The part of a TestBed that an agent needs."""

    @property
    def disk(self) -> str: ...
    @property
    def sysfs(self) -> Path: ...


class Watcher:
    """Reads knob files every 50 ms in a thread and keeps the moments at which they changed."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.samples: dict[str, list[KnobSample]] = {name: [] for name in files}
        self._files = files
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Take the first sample and go on in the background."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._stop.set()
        self._thread.join()

    def now(self) -> dict[str, str]:
        """The last values."""
        return {name: taken[-1].value for name, taken in self.samples.items() if taken}

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_S):
            self._look()

    def _look(self) -> None:
        now_ns = time.monotonic_ns()
        for name, file in self._files.items():
            with suppress(OSError):
                value = knob_text(file)
                taken = self.samples[name]
                if not taken or taken[-1].value != value:
                    taken.append(KnobSample(now_ns, value))


def knob_text(file: Path) -> str:
    """A knob's value; of a list of words the one in brackets."""
    text = file.read_text().strip()
    return text.partition("[")[2].partition("]")[0] or text


def knob_files(bed: Bed, adapters: Sequence[str]) -> dict[str, Path]:
    """The knob files of some adapters on a bed's disk, those that exist."""
    files = {name: bed.sysfs / path for a in adapters for name, path in KNOBS[a].items()}
    return {name: file for name, file in files.items() if file.exists()}


class AgentRun:
    """`mlproxy run` on a bed's disk with given policies, from start to restored baselines.

    Args:
        policies: YAML documents by adapter name.
        folder: a private folder for state, policies and log.

    Raises:
        LabError: the agent does not start or ends badly; the message holds its last lines.
    """

    def __init__(self, bed: Bed, policies: Mapping[str, str], folder: Path) -> None:
        self.state = folder / "state"
        self.log = folder / "agent.log"
        self.watcher = Watcher(knob_files(bed, list(policies)))
        self.ready_ns = 0
        self.looks, self.look_s = 0, 0.0
        self._bed = bed
        self._folder = folder
        self._policies = policies
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.watcher.start()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end(quiet=kind is not None)
        finally:
            self.watcher.stop()

    @property
    def pid(self) -> int:
        """Process id of the agent."""
        assert self._process is not None
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the agent has taken its first look at the disk."""
        deadline_s = time.monotonic() + READY_S
        while read_status(self.state) is None:
            self.check()
            if time.monotonic() > deadline_s:
                raise LabError(
                    f"the agent is not ready after {READY_S:.0f} s: {self._last_words()}"
                )
            time.sleep(0.02)
        self.ready_ns = time.monotonic_ns()

    def check(self) -> None:
        """LabError if the agent has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise LabError(f"the agent ended early: {self._last_words()}")

    def status(self) -> Status | None:
        """What the agent says of itself."""
        return read_status(self.state)

    def outcomes(self) -> list[dict[str, Any]]:
        """Everything it logged so far."""
        return list(Outcomes(self.state).read())

    def looks_so_far(self) -> tuple[int, float]:
        """Looks from a blind value and the seconds spent in them, as of the last status."""
        status = self.status()
        rows = {row.proxy: row for row in (status.knobs if status else ())}.values()
        return sum(row.looks for row in rows), sum(row.look_s for row in rows)

    def _start(self) -> None:
        command = [sys.executable, "-c", _MLPROXY, "run"]
        command += ["--state", str(self.state), "--devices", self._bed.disk]
        for name, text in self._policies.items():
            path = self._folder / f"{name}.yaml"
            path.write_text(text)
            command += ["-c", str(path)]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for whoever runs the agent, who then ends it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _end(self, quiet: bool) -> None:
        process = self._process
        if process is None:
            return
        early = process.poll() is not None
        if not early:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.looks, self.look_s = self.looks_so_far()
        if (early or process.returncode) and not quiet:
            raise LabError(f"the agent ended with {process.returncode}: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def _die_with_parent() -> None:
    """SIGTERM for the agent when whoever started it is killed: it then restores (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.umask(0o077)


def policy(
    adapter: str,
    *,
    start: str = "recommendation",
    trust: str = "model",
    slot: str = "",
    objective: Path | None = None,
    model: str = "builtin",
    max_drain: str = "",
) -> str:
    """A policy document for a bed's disk: the adapter's own ranges and rules, this start."""
    from mlproxy.registry import load_registry

    named = {"start": start, "trust": trust, "model": model}
    if max_drain:
        named["max_drain"] = max_drain
    if slot:
        named["trial"] = f"{{slot: {slot}}}"
    if objective is not None:
        named["objective"] = f"{{file: {objective}}}"
    lines = (load_registry().get(adapter).home() / "policy.yaml").read_text().splitlines()
    changed = {name: f"{name}: {value}" for name, value in named.items()}
    kept = [line for line in lines if not line.startswith(tuple(f"{name}:" for name in changed))]
    return "\n".join([*kept, *changed.values()]) + "\n"
