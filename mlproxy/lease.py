"""Recommending to a patched kernel: every knob is staged, then one commit lets all rule.

The files are those of Documentation/ABI/testing/sysfs-class-ml_proxy. What the kernel
refuses changes nothing: staged values that are never committed expire by themselves.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlproxy.disk import Disk, os_reason
from mlproxy.errors import MlproxyError, NotPermitted, Overridden, Postponed, WriteRefused
from mlproxy.knob import Value
from mlproxy.knobfile import parse_value

PAGE_BYTES = 4096
PAUSE_S = 5.0
SHORTEST_MS, LONGEST_MS = 100, 600_000
LIMIT, LEASE_MS, SEQUENCE, COMMIT, NUMBER = "mode_limit", "lease_ms", "sequence", "commit", "id"
RW, RO, WO = os.O_RDWR, os.O_RDONLY, os.O_WRONLY

STAGE_ERRORS = {
    errno.EINVAL: "it is not a legal step of the knob",
    errno.ERANGE: "it is outside the knob's min and max",
    errno.EBUSY: "another process has staged a recommendation and not committed it",
    errno.EOPNOTSUPP: "the knob is off: its baseline is 0",
}
COMMIT_ERRORS = {
    errno.EINVAL: "not every knob is staged, or what was staged has expired",
    errno.ESTALE: "somebody else committed, or a baseline changed since its knob was staged",
    errno.EBUSY: "another process has staged a value since",
    errno.EPERM: "mode_limit is emergency: somebody forbade all recommendations",
    errno.EAGAIN: "the kernel's pause after no gain, or harm, is not over",
}
PASSING = {errno.EBUSY, errno.ESTALE, errno.EAGAIN}
"""What a later tick may find otherwise; an EINVAL of commit too, by then staged anew."""


def lease_ms(lease_s: float) -> int:
    """A policy's lease as the kernel takes it."""
    return min(max(round(lease_s * 1000), SHORTEST_MS), LONGEST_MS)


class PausedByKernel(Postponed):
    """The kernel judged this direction, or has the knob off: leave it alone for a while."""

    pause_s = PAUSE_S


class Lease:
    """One device of class ml_proxy, its files held open by the one process that stages.

    Descriptors outlive the device, not the other way: removed, they answer ENODEV, so that
    nothing reaches the next device of the same name.

    Args:
        folder: of the device, relative to the root.
        knobs: every knob that the device has.

    Raises:
        NotPermitted, WriteRefused: a file cannot be opened.
    """

    def __init__(self, root: Path, folder: str, knobs: Sequence[str], disk: Disk) -> None:
        self.folder = folder
        self.knobs = tuple(knobs)
        self._root, self._disk = root, disk
        self._open: dict[str, int] = {}
        wanted = {LIMIT: RW, LEASE_MS: RW, SEQUENCE: RO, COMMIT: WO, NUMBER: RO}
        staged = {f"{knob}/recommended": RW for knob in knobs}
        baselines = {f"{knob}/baseline": RO for knob in knobs}
        try:
            for name, flags in (wanted | staged | baselines).items():
                self._open[name] = self._attach(name, flags)
        except BaseException:
            self.close()
            raise

    def read(self, name: str) -> Value:
        """What a file of the device says; "" where it is empty. Raises: WriteRefused."""
        try:
            text = os.pread(self._open[name], PAGE_BYTES, 0)
        except OSError as error:
            raise self._refused(f"cannot read {name}", error, {}) from error
        return parse_value(text.decode(errors="replace"))

    def write(self, name: str, value: Value) -> None:
        """Write a file that keeps its value, and read it back. Raises: WriteRefused."""
        self._store(name, value, {})
        holds = self.read(name)
        if holds != value:
            raise WriteRefused(f"{self.folder}/{name}: {value} was written, it is {holds}")

    def recommend(self, values: Mapping[str, Value]) -> int:
        """Let `values` rule for one lease, the other knobs at their baselines.

        Returns:
            The number of the commit.

        Raises:
            Postponed: another time perhaps; nothing changed.
            Overridden: mode_limit is emergency, which was not us.
            WriteRefused: the kernel does not take these values; nothing changed.
        """
        for knob in self.knobs:
            value = values[knob] if knob in values else self.read(f"{knob}/baseline")
            self._store(f"{knob}/recommended", value, STAGE_ERRORS)
        held = self.read(SEQUENCE)
        if not isinstance(held, int):
            raise WriteRefused(f"{self.folder}/{SEQUENCE} holds {held!r}, which is no number")
        self._store(COMMIT, held + 1, COMMIT_ERRORS)
        for knob, value in values.items():
            rules = self.read(f"{knob}/recommended")
            if rules != value:
                raise Postponed(f"{knob} {value} was committed, the kernel holds {rules or 'none'}")
        return held + 1

    def close(self) -> None:
        """Let the files go; a lease that runs ends by itself."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _attach(self, name: str, flags: int) -> int:
        path = self._root / self.folder / name
        try:
            return self._disk.attach(path, flags)
        except PermissionError as error:
            text = f"cannot open {self.folder}/{name}: {os_reason(error)}; this needs root"
            raise NotPermitted(text) from error
        except OSError as error:
            raise self._refused(f"cannot open {name}", error, {}) from error

    def _store(self, name: str, value: Value, meanings: Mapping[int, str]) -> None:
        path = self._root / self.folder / name
        try:
            self._disk.put(self._open[name], path, f"{value}\n".encode())
        except OSError as error:
            raise self._refused(f"cannot write {value} to {name}", error, meanings) from error

    def _refused(self, what: str, error: OSError, meanings: Mapping[int, str]) -> MlproxyError:
        number = error.errno or 0
        meaning = meanings.get(number, "")
        if number == errno.ENODEV:
            meaning = "the device is gone"
        text = f"{self.folder}: {what}: {os_reason(error)}"
        text += f": {meaning}" if meaning else ""
        if number in (errno.EAGAIN, errno.EOPNOTSUPP):
            return PausedByKernel(text)
        if number == errno.EPERM and meanings is COMMIT_ERRORS:
            return Overridden(text)
        if number in PASSING or (number == errno.EINVAL and meanings is COMMIT_ERRORS):
            return Postponed(text)
        return WriteRefused(text)
