"""A kernel that behaves like sysfs, a disk that loses power, and a process that dies."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar, cast

from mlproxy.disk import Disk
from mlproxy.knobfile import parse_value
from mlproxy.proxy import Identity, Proxy

T = TypeVar("T")
Loss = Literal["none", "unsynced", "torn"]

BOOT_ID = "proc/sys/kernel/random/boot_id"
BDI = "sys/class/bdi/8:0"
QUEUE = "sys/block/sda/queue"
DEBUG = "sys/kernel/debug/block/sda/hctx0"
READ_AHEAD_KB = f"{BDI}/read_ahead_kb"
LIMIT, STRICT = f"{BDI}/max_ratio_fine", f"{BDI}/strict_limit"
SCHEDULER = f"{QUEUE}/scheduler"
NR_REQUESTS = f"{QUEUE}/nr_requests"
WBT_LAT_USEC = f"{QUEUE}/wbt_lat_usec"
SCHEDULERS = ("none", "mq-deadline", "kyber", "bfq")
DEFAULTS = {"none": 64, "mq-deadline": 128, "kyber": 256, "bfq": 512}

IDENTITY = Identity("boot-1", "8:0", "9", "WD-1")
READAHEAD = Proxy(
    "readahead.8:0", "readahead", "sda", "stock", BDI, IDENTITY, {"read_ahead_kb": READ_AHEAD_KB}
)
IOSCHED = Proxy(
    id="iosched.sda",
    subsystem="iosched",
    device="sda",
    transport="stock",
    object_path="sys/block/sda",
    identity=IDENTITY,
    knobs={"scheduler": SCHEDULER, "nr_requests": NR_REQUESTS, "wbt_lat_usec": WBT_LAT_USEC},
)


WRITEBACK = Proxy(
    "writeback.8:0",
    "writeback",
    "sda",
    "stock",
    BDI,
    IDENTITY,
    {"max_ratio_fine": LIMIT, "strict_limit": STRICT},
)


def make_tree(root: Path) -> Path:
    """One disk, sda 8:0, under `none`, as a folder of ordinary files."""
    files = {
        BOOT_ID: "boot-1",
        READ_AHEAD_KB: "128",
        SCHEDULER: "[none] mq-deadline kyber bfq",
        NR_REQUESTS: "64",
        WBT_LAT_USEC: "2000",
        "sys/block/sda/dev": "8:0",
        "sys/block/sda/diskseq": "9",
        "sys/block/sda/serial": "WD-1",
        f"{DEBUG}/tags": "nr_tags=64\n\nbitmap_tags:\ndepth=64",
        f"{DEBUG}/sched_tags": "bitmap_tags:\ndepth=64",
    }
    for path, text in files.items():
        put(root, path, text)
    (root / "sys/dev/block").mkdir(parents=True)
    (root / "sys/dev/block/8:0").symlink_to("../../block/sda")
    return root


def put(root: Path, path: str, text: str) -> None:
    """Set a file of the tree as its owner would, without the kernel's rules."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{text}\n")


def values(root: Path) -> dict[str, int | str]:
    """What every knob of the tree holds, and the depth that is really in force."""
    knobs = [*READAHEAD.knobs.items(), *IOSCHED.knobs.items()]
    knobs += [item for item in WRITEBACK.knobs.items() if (root / item[1]).exists()]
    found = {name: parse_value((root / path).read_text()) for name, path in knobs}
    tags = "tags" if found["scheduler"] == "none" else "sched_tags"
    found["depth"] = int((root / DEBUG / tags).read_text().rpartition("=")[2])
    return found


class FakeKernel(Disk):
    """Reacts to writes below `root` as the kernel does: rounds, refuses, resets, lies.

    `refuse`: errno by path, for writes from now on; `written`: what was written, in order.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.refuse: dict[str, int] = {}
        self.written: list[tuple[str, str]] = []

    def store(self, path: str, text: str) -> None:
        """One write to a knob.

        Raises:
            OSError: EINVAL for what the kernel does not take, or what `refuse` says.
        """
        if path in self.refuse:
            raise OSError(self.refuse[path], os.strerror(self.refuse[path]))
        self.written.append((path, text))
        react: dict[str, Callable[[str], None]] = {
            READ_AHEAD_KB: self._read_ahead,
            SCHEDULER: self._scheduler,
            NR_REQUESTS: self._nr_requests,
            LIMIT: self._limit,
        }
        if path in react:
            react[path](text)
        else:
            put(self.root, path, text)

    def _do(self, step: str, path: Path, effect: Callable[[], T]) -> T:
        # Only a loss of power tells a real fsync from none, and that is what Cache plays.
        return cast(T, None) if step.startswith("fsync") else effect()

    def _write(self, path: Path, data: bytes) -> None:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, "gone", str(path))
        if path.is_relative_to(self.root):
            self.store(str(path.relative_to(self.root)), data.decode().strip())
        else:
            super()._write(path, data)

    def _read_ahead(self, text: str) -> None:
        put(self.root, READ_AHEAD_KB, str(_integer(text) // 4 * 4))

    def _limit(self, text: str) -> None:
        if not 0 <= _integer(text) <= 1_000_000:
            raise OSError(errno.EINVAL, "more than all")
        put(self.root, LIMIT, text)

    def _scheduler(self, text: str) -> None:
        """An elevator switch resets the depth that sysfs shows, but not the hardware's."""
        if text not in SCHEDULERS:
            raise OSError(errno.EINVAL, "no such elevator")
        if text == parse_value((self.root / SCHEDULER).read_text()):
            return
        words = (f"[{word}]" if word == text else word for word in SCHEDULERS)
        put(self.root, SCHEDULER, " ".join(words))
        put(self.root, NR_REQUESTS, str(DEFAULTS[text]))
        put(self.root, WBT_LAT_USEC, "0" if text == "bfq" else "75000")
        if text != "none":
            put(self.root, f"{DEBUG}/sched_tags", f"bitmap_tags:\ndepth={DEFAULTS[text]}")

    def _nr_requests(self, text: str) -> None:
        depth = max(_integer(text), 4)
        if depth > 1024:
            raise OSError(errno.EINVAL, "too deep")
        shown, bare = ((self.root / path).read_text() for path in (NR_REQUESTS, SCHEDULER))
        if depth == parse_value(shown):
            return
        tags = "tags" if parse_value(bare) == "none" else "sched_tags"
        put(self.root, NR_REQUESTS, str(depth))
        put(self.root, f"{DEBUG}/{tags}", f"bitmap_tags:\ndepth={depth}")


class MortalDisk(FakeKernel):
    """Kills its process before or after a numbered step, and loses what was not synced.

    Args:
        state: the folder whose cache is lost; what is written to knobs never is.
        kill_at: step to die at; None: count only.
        after: die after the step's effect instead of before it.
        loss: what becomes of bytes and names that were not synced.
    """

    def __init__(
        self,
        root: Path,
        state: Path,
        kill_at: int | None = None,
        after: bool = False,
        loss: Loss = "none",
    ) -> None:
        super().__init__(root)
        self.steps: list[str] = []
        self._kill = (kill_at, after)
        self._loss = loss
        self._cache = Cache(state)

    def _do(self, step: str, path: Path, effect: Callable[[], T]) -> T:
        number = len(self.steps)
        self.steps.append(f"{step} {path.name}")
        if self._kill == (number, False):
            self._die()
        result = super()._do(step, path, effect)
        self._cache.saw(step, path)
        if self._kill == (number, True):
            self._die()
        return result

    def _die(self) -> None:
        if self._loss != "none":
            self._cache.drop(self._loss)
        os.kill(os.getpid(), signal.SIGKILL)


class Cache:
    """Which bytes and names of one folder would outlast a loss of power."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lasting = folder.exists()
        self._content: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        for path in folder.iterdir() if self._lasting else ():
            self._content[path.stat().st_ino] = path.read_bytes()
            self._names[path.name] = path.stat().st_ino

    def saw(self, step: str, path: Path) -> None:
        """Take note of a step that has happened."""
        if step == "create":
            self._content[path.stat().st_ino] = b""
        elif step == "fsync" and path.parent == self.folder:
            self._content[path.stat().st_ino] = path.read_bytes()
        elif step == "fsync_folder" and path == self.folder:
            self._names = {item.name: item.stat().st_ino for item in self.folder.iterdir()}
        elif step == "fsync_folder" and path == self.folder.parent:
            self._lasting = True

    def drop(self, loss: Loss) -> None:
        """Make the folder what a loss of power would leave of it."""
        if not self._lasting:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        left = {name: self._content.get(ino, b"") for name, ino in self._names.items()}
        for path in self.folder.iterdir():
            if loss == "torn" and self._names.get(path.name) == path.stat().st_ino:
                left[path.name] = _torn(left[path.name], path.read_bytes())
            path.unlink()
        for name, data in left.items():
            (self.folder / name).write_bytes(data)
            (self.folder / name).chmod(0o600)


def _torn(synced: bytes, written: bytes) -> bytes:
    """Half of what was appended and not synced came through."""
    if not written.startswith(synced):
        return synced
    return written[: len(synced) + (len(written) - len(synced)) // 2]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise OSError(errno.EINVAL, "not a number") from error


def survives(act: Callable[[], object]) -> bool:
    """Run `act` in a child; False when it was killed with SIGKILL, as a test asked for.

    Raises:
        AssertionError: the child ended in any other way.
    """
    child = os.fork()
    if child == 0:
        code = 70
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the child failed without being killed"
    return True
