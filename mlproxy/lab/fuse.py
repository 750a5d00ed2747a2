"""The FUSE protocol over raw /dev/fuse, as far as one regular file in one directory needs it.

Layouts are those of include/uapi/linux/fuse.h, protocol 7.31 and later. The session answers
everything about names and attributes itself and hands READ, WRITE and FSYNC to its caller,
who may answer them in any order and at any time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from mlproxy.errors import LabError
from mlproxy.lab.device import Op

MAX_IO_BYTES = 1 << 20
_PAGES = MAX_IO_BYTES // 4096
_MINOR = 31
_ROOT, _FILE = 1, 2
_FOREVER_S = 1 << 30

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS, _RELEASE = (
    1, 2, 3, 4, 14, 15, 16, 17, 18,
)  # fmt: skip
_FSYNC, _FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _DESTROY, _BATCH_FORGET = (
    20, 25, 26, 27, 28, 29, 38, 42,
)  # fmt: skip

_ASYNC_READ, _BIG_WRITES, _ASYNC_DIO, _MAX_PAGES = 1 << 0, 1 << 5, 1 << 15, 1 << 22
_INIT_FLAGS = _ASYNC_READ | _BIG_WRITES | _ASYNC_DIO | _MAX_PAGES
_FOPEN_DIRECT_IO, _FOPEN_PARALLEL_DIRECT_WRITES = 1 << 0, 1 << 6

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_INIT_IN = struct.Struct("<IIII")
_INIT_OUT = struct.Struct("<IIIIHHIIHH32x")
_IO_IN = struct.Struct("<QQI")
_ATTR = struct.Struct("<6Q10I")
_ENTRY = struct.Struct("<4QII")
_ATTR_OUT = struct.Struct("<QII")
_OPEN_OUT = struct.Struct("<QIi")
_WRITE_OUT = struct.Struct("<II")
_STATFS_OUT = struct.Struct("<5Q4I24x")
_WRITE_DATA = _IN.size + 40

_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 2, 4, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Io(NamedTuple):
    """One request for data; `data` of a write is valid until the next `receive`."""

    op: Op
    unique: int
    offset: int
    size: int
    data: memoryview | None


class Unmounted(Exception):
    """The file system was unmounted or its connection aborted; there is nothing left to serve."""


def mount(mountpoint: Path) -> int:
    """Mount a FUSE file system; the non-blocking descriptor of its connection."""
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,max_read={MAX_IO_BYTES}"
    source, target = b"mlproxy-lab", os.fsencode(mountpoint)
    if _libc.mount(source, target, b"fuse", _MS_NOSUID | _MS_NODEV, options.encode()):
        code = ctypes.get_errno()
        os.close(fd)
        raise LabError(f"cannot mount FUSE on {mountpoint}: {os.strerror(code)}")
    return fd


def detach(mountpoint: Path) -> None:
    """Take the mount out of the tree; nothing happens where there is none."""
    _libc.umount2(os.fsencode(mountpoint), _MNT_DETACH)


class Session:
    """One mounted connection `fd` that serves the file `name` of `size` bytes."""

    def __init__(self, fd: int, name: str, size: int) -> None:
        self.fd = fd
        self._name = os.fsencode(name)
        self._size = size
        self._buffer = bytearray(MAX_IO_BYTES + 4096 + _WRITE_DATA)
        self._view = memoryview(self._buffer)

    def receive(self) -> Io | None:
        """The next request for data, or None when nothing waits.

        Raises `Unmounted` when the connection is gone.
        """
        while True:
            try:
                os.readv(self.fd, [self._buffer])
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # aborted before it was read
                    continue
                raise Unmounted from error
            _, opcode, unique, node, *_ = _IN.unpack_from(self._buffer)
            if opcode in (_READ, _WRITE, _FSYNC):
                return self._io(opcode, unique)
            self._answer(opcode, unique, node)

    def reply(self, unique: int, data: bytes = b"") -> None:
        """Complete a request with its result."""
        self._send(unique, 0, data)

    def reply_written(self, unique: int, size: int) -> None:
        """Complete a write of `size` bytes."""
        self._send(unique, 0, _WRITE_OUT.pack(size, 0))

    def _io(self, opcode: int, unique: int) -> Io:
        if opcode == _FSYNC:
            return Io(Op.FLUSH, unique, 0, 0, None)
        _, offset, size = _IO_IN.unpack_from(self._buffer, _IN.size)
        if opcode == _READ:
            return Io(Op.READ, unique, offset, size, None)
        data = self._view[_WRITE_DATA : _WRITE_DATA + size]
        return Io(Op.WRITE, unique, offset, size, data)

    def _send(self, unique: int, error: int, data: bytes = b"") -> None:
        try:
            os.writev(self.fd, [_OUT.pack(_OUT.size + len(data), -error, unique), data])
        except OSError as failure:
            # The kernel may have given the request up (ENOENT) or closed the connection;
            # the latter shows at the next receive.
            if failure.errno not in (errno.ENOENT, errno.ENODEV, errno.ENOTCONN):
                raise

    def _answer(self, opcode: int, unique: int, node: int) -> None:
        if opcode in (_FORGET, _BATCH_FORGET):
            return
        error, data = self._metadata(opcode, node)
        self._send(unique, error, data)

    def _metadata(self, opcode: int, node: int) -> tuple[int, bytes]:
        if opcode == _INIT:
            return 0, self._init()
        if opcode == _LOOKUP:
            return self._lookup()
        if opcode in (_GETATTR, _SETATTR):
            return 0, _ATTR_OUT.pack(_FOREVER_S, 0, 0) + self._attr(node)
        if opcode == _OPEN:
            return 0, _OPEN_OUT.pack(1, _FOPEN_DIRECT_IO | _FOPEN_PARALLEL_DIRECT_WRITES, 0)
        if opcode == _OPENDIR:
            return 0, _OPEN_OUT.pack(0, 0, 0)
        if opcode == _STATFS:
            return 0, _STATFS_OUT.pack(self._size // 4096, 0, 0, 1, 0, 4096, 255, 4096, 0)
        if opcode in (_RELEASE, _RELEASEDIR, _READDIR, _FLUSH, _DESTROY):
            return 0, b""
        # ENOSYS makes the kernel stop asking (interrupts, extended attributes, fallocate).
        return errno.ENOSYS, b""

    def _init(self) -> bytes:
        major, minor, max_readahead, flags = _INIT_IN.unpack_from(self._buffer, _IN.size)
        if major != 7 or minor < _MINOR:
            raise LabError(f"the kernel speaks FUSE {major}.{minor}; 7.{_MINOR} or later is needed")
        return _INIT_OUT.pack(
            7, _MINOR, max_readahead, flags & _INIT_FLAGS, 1024, 1024, MAX_IO_BYTES, 1, _PAGES, 0
        )

    def _lookup(self) -> tuple[int, bytes]:
        length = int.from_bytes(self._buffer[:4], "little")
        if bytes(self._view[_IN.size : length]).rstrip(b"\0") != self._name:
            return errno.ENOENT, b""
        return 0, _ENTRY.pack(_FILE, 0, _FOREVER_S, _FOREVER_S, 0, 0) + self._attr(_FILE)

    def _attr(self, node: int) -> bytes:
        mode, size = stat.S_IFREG | 0o600, self._size
        if node == _ROOT:
            mode, size = stat.S_IFDIR | 0o700, 0
        blocks = size // 512
        return _ATTR.pack(node, size, blocks, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
