"""The test bed: modelled disk, loop device, file system and memory cgroup in one `with`."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn, Self

from mlproxy.errors import LabError, NotPermitted
from mlproxy.lab import loop, reap
from mlproxy.lab.cgroup import Cgroup
from mlproxy.lab.client import Client
from mlproxy.lab.profile import PROFILES, Profile

FileSystem = Literal["ext4", "xfs"]

# No lazy initialisation, no bitmap prefetch, no access times: nothing on the disk that the
# workload did not ask for.
_EXT4_OPTIONS = "lazy_itable_init=0,lazy_journal_init=0,nodiscard,assume_storage_prezeroed=1"
_MKFS: dict[FileSystem, list[str]] = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", _EXT4_OPTIONS],
    "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
}
_MOUNT: dict[FileSystem, str] = {
    "ext4": "noatime,nodiscard,noinit_itable,no_prefetch_block_bitmaps",
    "xfs": "noatime,nodiscard",
}
_BLKFLSBUF = 0x1261
_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


class TestBed:
    """A context manager that owns one modelled disk and what stands on it. Needs root.

    `size_mb` counts 2**20 bytes, which are memory of the host once written; `memory_mb` limits
    the workload's cgroup. With `fs=None` only the bare disk is there. Raises `LabError` when a
    part cannot be had; whatever was built before is taken down again.
    """

    __test__ = False  # not a test, whatever pytest reads into the name

    disk: str
    """Kernel name of the block device, such as loop0."""

    def __init__(
        self,
        profile: Profile,
        size_mb: int = 3000,
        fs: FileSystem | None = "ext4",
        memory_mb: int = 256,
        backing_directory: Path = Path("/dev/shm"),
    ) -> None:
        self.profile = profile
        self._size_bytes = size_mb << 20
        self._fs: FileSystem | None = fs
        self._memory_bytes = memory_mb << 20
        self._record = reap.Record.of_this_process(next(_numbers), backing_directory)
        self.cgroup: Cgroup = self._record.cgroup
        self._client: Client | None = None
        self._stack = ExitStack()

    @property
    def mount(self) -> Path:
        """Where the file system is mounted."""
        return self._record.mount

    @property
    def sysfs(self) -> Path:
        """The disk's directory, with queue/ and bdi/ below."""
        return Path("/sys/block") / self.disk

    @property
    def devno(self) -> str:
        """major:minor, the name under /sys/class/bdi."""
        return (self.sysfs / "dev").read_text().strip()

    def __enter__(self) -> Self:
        if os.geteuid():
            raise NotPermitted("the test bed mounts and attaches loop devices: run it as root")
        with suppress(LabError):  # what cannot be reaped yet does not stand in the way
            reap.reap()
        with ExitStack() as stack:
            stack.enter_context(_sigterm_unwinds())
            stack.callback(self._tear_down)
            try:
                self._build()
            except OSError as error:
                raise LabError(f"cannot build the test bed: {error}") from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set_profile(self, profile: Profile) -> None:
        """Change the device under the running system; requests under way keep their time."""
        self._server.set_profile(profile)
        self.profile = profile

    def stats(self) -> dict[str, Any]:
        """The server's counters: requests and bytes by operation, requests in flight now; since
        the last call the most that were, and by how much requests completed late, mean in us."""
        return self._server.command("stats")

    def drop_caches(self) -> None:
        """Write back and forget every page of this disk, so that the next read is cold.

        Only this bed's pages; a page that a living process maps stays. Takes no device time.
        """
        with self._at_full_speed():
            if self._fs:
                self._forget_files()
            self._flush_buffers()

    def drop_unflushed(self) -> int:
        """Cut the power and boot again; the number of 4 KiB blocks that the disk lost.

        With a volatile cache what was not flushed is lost. The workload in the cgroup is
        killed and the file system mounted anew: nobody else may have it open (`LabError`).
        """
        lost: int = self._server.command("cut_power")["lost_blocks"]
        try:
            reap.patiently(self._record.unmount_from_workload)
            self._flush_buffers()
        finally:
            self._server.command("restore_power")
        self._mount()
        return lost

    @property
    def _server(self) -> Client:
        if self._client is None:
            raise LabError("the test bed is not up: use it in a `with` statement")
        return self._client

    def _build(self) -> None:
        record = self._record
        record.write()
        with record.backing.open("xb") as backing:
            backing.truncate(self._size_bytes)
        log = record.directory / "server.log"
        self._client = Client(record.fuse, record.disk_name, record.backing, log)
        self._server.wait_ready()
        self.disk = loop.attach(record.fuse / record.disk_name)
        loop.reset_knobs(self.disk, rotational=self.profile.rotational)
        if self._fs:
            loop.run([*_MKFS[self._fs], f"/dev/{self.disk}"])
        self._mount()
        self.cgroup.create(self._memory_bytes)
        self.set_profile(self.profile)

    def _tear_down(self) -> None:
        with _signals_later():
            with suppress(LabError):
                self._server.set_profile(PROFILES["fast"])
            self._record.dismantle()
            if self._client:
                self._client.close()

    def _mount(self) -> None:
        if self._fs:
            device, options = f"/dev/{self.disk}", _MOUNT[self._fs]
            loop.run(["mount", "-t", self._fs, "-o", options, device, str(self.mount)])

    @contextmanager
    def _at_full_speed(self) -> Iterator[None]:
        """The volatile cache stays as it is: leaving it would count as a flush."""
        fast = replace(PROFILES["fast"], volatile_cache=self.profile.volatile_cache)
        self._server.set_profile(fast)
        try:
            yield
        finally:
            self._server.set_profile(self.profile)

    def _forget_files(self) -> None:
        root = os.open(self.mount, os.O_RDONLY)
        try:
            if _libc.syncfs(root):
                raise LabError(f"cannot sync {self.mount}: {os.strerror(ctypes.get_errno())}")
        finally:
            os.close(root)
        for file in self.mount.rglob("*"):
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as handle:
                    os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _flush_buffers(self) -> None:
        with Path(f"/dev/{self.disk}").open("rb") as device:
            fcntl.ioctl(device, _BLKFLSBUF)


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM ends the program as an exception does; a handler of the program's own stays."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGTERM, leave)
    except ValueError:  # only the main thread may
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _signals_later() -> Iterator[None]:
    """A second Ctrl-C must not stop the clearing up after the first."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
