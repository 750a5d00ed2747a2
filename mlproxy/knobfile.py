"""The text of a knob's file as a value, and the files around it."""

from __future__ import annotations

import re
from pathlib import Path

from mlproxy.disk import Disk, os_reason
from mlproxy.errors import MlproxyError, NotPermitted, WriteRefused
from mlproxy.knob import Value

INTEGER = re.compile(r"-?\d+")
CHOSEN = re.compile(r"\[(\S+)\]")
DEBUG = "sys/kernel/debug/block"


def parse_value(text: str) -> Value:
    """What a knob's file says: an integer, the word in brackets, or the word itself."""
    chosen = CHOSEN.search(text)
    word = chosen[1] if chosen else text.strip()
    return int(word) if INTEGER.fullmatch(word) else word


class KnobFiles:
    """The knobs below a root, one value per file."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self.disk = disk

    def path(self, path: str) -> Path:
        """Where a file relative to the root is."""
        return self.root / path

    def read(self, path: str) -> Value:
        """What a knob holds.

        Raises:
            WriteRefused: the file is gone, or the kernel does not say (EINVAL).
            NotPermitted: the file may not be read.
        """
        try:
            return parse_value(self.disk.read(self.path(path)).decode(errors="replace"))
        except OSError as error:
            raise _refused(f"cannot read {path}", error) from error

    def find(self, path: str) -> Value | None:
        """What a knob holds; None where it cannot be read."""
        try:
            return self.read(path)
        except MlproxyError:
            return None

    def write(self, path: str, value: Value) -> None:
        """Write one value.

        Raises:
            WriteRefused: the kernel does not take it; the message has the errno's name.
            NotPermitted: this needs root.
        """
        try:
            self.disk.write(self.path(path), f"{value}\n".encode())
        except OSError as error:
            raise _refused(f"cannot write {value!r} to {path}", error) from error


class ObjectView:
    """Read-only view of one object's files, for an adapter (see adapter.ObjectFiles)."""

    def __init__(self, files: KnobFiles, object_path: str) -> None:
        self._files = files
        self._path = object_path

    def read(self, path: str) -> str | None:
        """Text of a file in the object's folder, stripped; None if absent."""
        return self._text(f"{self._path}/{path}")

    def debug(self, path: str) -> str | None:
        """Text of a file in debugfs' folder of the disk; None if absent or refused."""
        return self._text(f"{DEBUG}/{self._path.rpartition('/')[2]}/{path}")

    def _text(self, path: str) -> str | None:
        try:
            return self._files.disk.read(self._files.path(path)).decode(errors="replace").strip()
        except OSError:
            return None


def _refused(what: str, error: OSError) -> MlproxyError:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{what}: {os_reason(error)}; this needs root")
    return WriteRefused(f"{what}: {os_reason(error)}")
