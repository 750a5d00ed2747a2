"""The owner's end of a server process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlproxy.errors import LabError
from mlproxy.lab.profile import Profile

_PATIENCE_S = 20.0
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class Client:
    """Starts the server and commands it; every failure is `LabError` with the server's words."""

    def __init__(self, mountpoint: Path, name: str, backing: Path, log: Path) -> None:
        self._log = log
        options = [f"--mountpoint={mountpoint}", f"--name={name}", f"--backing={backing}"]
        ours, theirs = socket.socketpair()
        options += [f"--control-fd={theirs.fileno()}", f"--owner={os.getpid()}"]
        ours.settimeout(_PATIENCE_S)
        with theirs, log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mlproxy.lab.server",
                    *options,
                    f"--control-fd={theirs.fileno()}",
                ],
                pass_fds=[theirs.fileno()],
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": str(_PACKAGE_PARENT)},
                start_new_session=True,  # a Ctrl-C is for the owner, who then unmounts
            )
        self._socket = ours
        self._lines = ours.makefile("rb")

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Until the file is served."""
        self._answer()

    def set_profile(self, profile: Profile) -> None:
        self.command("set_profile", profile=asdict(profile))

    def command(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Send one command; its answer."""
        try:
            self._socket.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
        except OSError as error:
            raise self._lost() from error
        return self._answer()

    def close(self) -> None:
        """Wait for a server whose file system is unmounted; kill one that stays."""
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lines.close()
        self._socket.close()

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise self._lost() from error
        if not line:
            raise self._lost()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LabError(f"the lab server refused: {answer['error']}")
        return answer

    def _lost(self) -> LabError:
        words = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        return LabError(f"the lab server (pid {self.pid}) does not answer: {words[-1]}")
