"""Loop devices: attach, detach, and knobs as a fresh device has them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from mlproxy.errors import LabError

_BLOCK = Path("/sys/block")
_PATIENCE_S = 10.0


def run(argv: Sequence[str]) -> str:
    """The output of a system tool; `LabError` with its own words when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError(f"the lab needs {argv[0]!r}, which is not installed") from error
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def attach(file: Path) -> str:
    """A loop device on `file` with direct I/O; its name, such as loop0."""
    device = run(["losetup", "--direct-io=on", "--find", "--show", str(file)]).strip()
    return Path(device).name


def attached(file_name: str) -> list[str]:
    """The loop devices on a file of that name.

    Only the name: the kernel shows another directory once the mount below was detached.
    """
    links = _BLOCK.glob("loop*/loop/backing_file")
    return [link.parent.parent.name for link in links if Path(_read(link)).name == file_name]


def detach(disk: str) -> None:
    """Detach, and wait until it is true: the kernel does it when the last opener goes."""
    backing = _BLOCK / disk / "loop" / "backing_file"
    deadline = time.monotonic() + _PATIENCE_S
    while backing.exists():
        run(["losetup", "--detach", f"/dev/{disk}"])
        if time.monotonic() > deadline:
            raise LabError(f"{disk} stays attached to {_read(backing)!r}: somebody has it open")
        time.sleep(0.02)


def reset_knobs(disk: str, *, rotational: bool) -> None:
    """Give the device the knobs of a fresh one, whatever its last user left.

    A loop device's queue and bdi outlive a detach. The order matters: writing `rotational`
    resets the readahead, and nr_requests written under a scheduler hides the hardware depth,
    which a changed value under `none` repairs.
    """
    queue = _BLOCK / disk / "queue"
    bdi = _BLOCK / disk / "bdi"
    for file, value in (
        (queue / "scheduler", "none"),
        (queue / "rotational", int(rotational)),
        (queue / "nr_requests", 127),
        (queue / "nr_requests", 128),
        (queue / "wbt_lat_usec", -1),
        (bdi / "read_ahead_kb", 128),
        (bdi / "strict_limit", 0),
        (bdi / "min_ratio", 0),
        (bdi / "max_ratio", 100),
    ):
        if file.exists():
            file.write_text(f"{value}\n")


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
