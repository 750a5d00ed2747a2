"""What TuneD's profile `throughput-performance` sets of storage and memory.

Source: profiles/throughput-performance/tuned.conf of github.com/redhat-performance/tuned, as
Debian's tuned 2.20.0-1 installs it in /usr/lib/tuned. `readahead=>4096` raises a smaller readahead
to 4096 KiB, its default unit, and leaves a larger one. What it sets of processors and networks is
left out.
"""

from __future__ import annotations

from collections.abc import Callable

from mlproxy.errors import LabError
from mlproxy.lab.arm import READ_AHEAD, Arm, arm

NAME = "tuned"
READ_AHEAD_KB = 4096
VM = {"dirty_ratio": 40, "dirty_background_ratio": 10, "swappiness": 10}
_VM_PATH = "proc/sys/vm/{name}"
_BYTES = ("dirty_bytes", "dirty_background_bytes")

Read = Callable[[str], str]
"""The value of a knob file, as KnobState.read."""


def tuned_arm(read: Read) -> Arm:
    """The profile on a disk with these values. Raises: LabError where a byte limit is in force,
    which a ratio would wipe out for good."""
    for name in _BYTES:
        if read(_VM_PATH.format(name=name)) != "0":
            raise LabError(f"vm.{name} is set: TuneD would replace it; unset it or leave tuned out")
    values: dict[str, int | str] = {READ_AHEAD: max(int(read(READ_AHEAD)), READ_AHEAD_KB)}
    values |= {_VM_PATH.format(name=name): value for name, value in VM.items()}
    return arm(NAME, values)
