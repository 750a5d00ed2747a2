"""The process that is the modelled disk: `python -m mlproxy.lab.server`, started by a TestBed.

It must never touch the file system on top of it nor wait for memory that only its own disk can
free. Control is JSON lines on an inherited socket; its end of file means that the owner died, and
then the server sees to it that everything on it is taken down.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from mlproxy.lab import fuse
from mlproxy.lab.device import Device, Op
from mlproxy.lab.profile import PROFILES, Profile
from mlproxy.lab.volatile import Store

_PR_SET_TIMERSLACK, _PR_SET_IO_FLUSHER = 29, 57
_IDLE_S = 0.5
_Pending = tuple[int, int, Op, int, int]  # due_ns, unique, op, offset, size


class Server:
    """Serves the FUSE session with the service times of the device model."""

    def __init__(self, session: fuse.Session, store: Store, size_bytes: int) -> None:
        self._session = session
        self._store = store
        self._size_bytes = size_bytes
        self._pending: list[_Pending] = []
        self._requests = dict.fromkeys(Op, 0)
        self._bytes = dict.fromkeys(Op, 0)
        self._most_in_flight = 0
        self._late_ns = self._completed = 0
        self.set_profile(PROFILES["fast"])

    def set_profile(self, profile: Profile) -> None:
        """Requests under way keep their old completion time."""
        self._profile = profile
        self._device = Device(profile, self._size_bytes)
        self._store.set_volatile(profile.volatile_cache)

    def serve(self, control: socket.socket) -> None:
        """Until the owner closes its end; `fuse.Unmounted` ends it earlier."""
        lines = _Lines(control)
        while not lines.ended:
            if control in self._step([self._session.fd, control]):
                for line in lines.receive():
                    self._command(control, line)

    def serve_orphaned(self, owner: int) -> None:
        """Once `owner` is dead, serve on while a reaper unmounts what stands on this disk."""
        self.set_profile(PROFILES["fast"])
        while os.getppid() == owner:
            self._step([self._session.fd])
        reaper = subprocess.Popen([sys.executable, "-m", "mlproxy.lab.reap"])
        while reaper.poll() is None:
            self._step([self._session.fd])

    def _step(self, sources: list[int | socket.socket]) -> list[int | socket.socket]:
        """Wait for a source or a completion, serve requests; the sources that are ready."""
        # Not epoll: its timeout has milliseconds, that of select microseconds.
        ready, _, _ = select.select(sources, [], [], self._patience_s())
        if self._session.fd in ready:
            self._accept()
        self._complete()
        return ready

    def _patience_s(self) -> float:
        if not self._pending:
            return _IDLE_S
        return max(0, self._pending[0][0] - time.monotonic_ns()) * 1e-9

    def _accept(self) -> None:
        while (io := self._session.receive()) is not None:
            due_ns = self._device.request(io.op, io.offset, io.size, time.monotonic_ns())
            if io.data is not None:
                self._store.write(io.offset, io.data)
            elif io.op is Op.FLUSH:
                self._store.flush()
            heappush(self._pending, (due_ns, io.unique, io.op, io.offset, io.size))
        self._most_in_flight = max(self._most_in_flight, len(self._pending))

    def _complete(self) -> None:
        while self._pending and self._pending[0][0] <= time.monotonic_ns():
            due_ns, unique, op, offset, size = heappop(self._pending)
            self._late_ns += time.monotonic_ns() - due_ns
            self._completed += 1
            self._requests[op] += 1
            self._bytes[op] += size
            if op is Op.READ:
                self._session.reply(unique, self._store.read(offset, size))
            elif op is Op.WRITE:
                self._session.reply_written(unique, size)
            else:
                self._session.reply(unique)

    def _command(self, control: socket.socket, line: bytes) -> None:
        message = json.loads(line)
        control.sendall(json.dumps(self._execute(message)).encode() + b"\n")

    def _execute(self, message: dict[str, Any]) -> dict[str, Any]:
        match message["op"]:
            case "set_profile":
                self.set_profile(Profile(**message["profile"]))
                return {}
            case "cut_power":
                return {"lost_blocks": self._store.cut_power()}
            case "restore_power":
                self._store.restore_power()
                return {}
            case "stats":
                return self._stats()
            case unknown:
                return {"error": f"no command {unknown!r}"}

    def _stats(self) -> dict[str, Any]:
        most, self._most_in_flight = self._most_in_flight, len(self._pending)
        late_ns, self._late_ns = self._late_ns, 0
        completed, self._completed = self._completed, 0
        return {
            "profile": asdict(self._profile),
            "requests": {op.value: n for op, n in self._requests.items()},
            "bytes": {op.value: n for op, n in self._bytes.items()},
            "in_flight": len(self._pending),
            "most_in_flight": most,
            "late_us": late_ns / max(completed, 1) * 1e-3,
        }


class _Lines:
    """Whole lines out of a stream socket."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._rest = b""
        self.ended = False

    def receive(self) -> list[bytes]:
        chunk = self._stream.recv(65536)
        self.ended = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


def _behave_as_hardware() -> None:
    """Wake on time, no collector pauses, and no reclaim that would wait for our own disk.

    A disk does not wait for its turn: under SCHED_FIFO its requests are 40 us late beside a
    loaded host instead of 300, and runs of one workload differ by 3 % instead of 17.
    PR_SET_IO_FLUSHER (Linux 5.6) is made for servers in the path of the page cache.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    libc.prctl(_PR_SET_IO_FLUSHER, 1, 0, 0, 0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:  # a container's root may lack CAP_SYS_NICE for it
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    gc.disable()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve one file with the timing of a disk.")
    parser.add_argument("--mountpoint", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the served file")
    parser.add_argument("--backing", type=Path, required=True, help="file that holds the bytes")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--owner", type=int, required=True, help="pid that commands this server")
    arguments = parser.parse_args()
    control = socket.socket(fileno=arguments.control_fd)
    backing = os.open(arguments.backing, os.O_RDWR)
    size_bytes = os.fstat(backing).st_size
    fd = fuse.mount(arguments.mountpoint)
    try:
        _behave_as_hardware()
        session = fuse.Session(fd, arguments.name, size_bytes)
        control.sendall(b"{}\n")
        server = Server(session, Store(backing), size_bytes)
        server.serve(control)
        server.serve_orphaned(arguments.owner)
    except fuse.Unmounted:
        return
    finally:
        os.close(fd)
        fuse.detach(arguments.mountpoint)


if __name__ == "__main__":
    main()
