"""The bytes of the modelled disk, with a volatile write cache that a power cut empties."""

from __future__ import annotations

import os

_BLOCK = 4096


class Store:
    """Bytes in a backing file.

    While `volatile`, the old content of every block written since the last flush is kept, so
    that `cut_power` can put it back: what was not flushed is lost, all of it, which is the
    worst that a real cache may do. Without power, writes and flushes go nowhere.
    """

    def __init__(self, fd: int, *, volatile: bool = False) -> None:
        self._fd = fd
        self._volatile = volatile
        self._powered = True
        self._old: dict[int, bytes] = {}

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def write(self, offset: int, data: memoryview) -> None:
        if not self._powered:
            return
        if self._volatile:
            self._remember(offset, len(data))
        while data:
            written = os.pwrite(self._fd, data, offset)
            data, offset = data[written:], offset + written

    def flush(self) -> None:
        if self._powered:
            self._old.clear()

    def set_volatile(self, volatile: bool) -> None:
        """Switch the cache on or off; off is a flush."""
        if not volatile:
            self.flush()
        self._volatile = volatile

    def cut_power(self) -> int:
        """Lose what was not flushed; the number of 4 KiB blocks lost."""
        lost = len(self._old)
        for block, old in self._old.items():
            os.pwrite(self._fd, old, block * _BLOCK)
        self._old.clear()
        self._powered = False
        return lost

    def restore_power(self) -> None:
        self._powered = True

    def _remember(self, offset: int, size: int) -> None:
        for block in range(offset // _BLOCK, -(-(offset + size) // _BLOCK)):
            if block not in self._old:
                self._old[block] = os.pread(self._fd, _BLOCK, block * _BLOCK)
