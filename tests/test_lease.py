"""Staging and commit: each errno of the kernel's has its own clear error, and changes nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlproxy.errors import MlproxyError, NotPermitted, Overridden, Postponed, WriteRefused
from mlproxy.lease import Lease, PausedByKernel
from tests.class_machine import FOLDER, ClassMachine

KNOB = "read_ahead_kb"
STAGE, COMMIT = f"{FOLDER}/{KNOB}/recommended", f"{FOLDER}/commit"


@pytest.fixture
def machine(tmp_path: Path) -> ClassMachine:
    found = ClassMachine(tmp_path)
    found.device.write("mode_limit", "recommendation")
    found.publish()
    return found


@pytest.fixture
def lease(machine: ClassMachine) -> Iterator[Lease]:
    found = Lease(machine.root, FOLDER, [KNOB], machine.kernel)
    yield found
    found.close()


def test_all_knobs_are_staged_then_committed(machine: ClassMachine, lease: Lease) -> None:
    assert lease.recommend({KNOB: 16}) == 1
    assert machine.kernel.writes[-2:] == [(1000.0, STAGE, "16"), (1000.0, COMMIT, "1")]
    assert machine.device.recommended == 16
    assert lease.recommend({KNOB: 32}) == 2


def test_a_knob_that_is_not_named_is_staged_at_its_baseline(
    machine: ClassMachine, lease: Lease
) -> None:
    lease.recommend({})
    assert machine.device.recommended == 128


@pytest.mark.parametrize(
    ("path", "number", "kind", "says"),
    [
        (STAGE, errno.EINVAL, WriteRefused, "not a legal step"),
        (STAGE, errno.ERANGE, WriteRefused, "outside the knob's min and max"),
        (STAGE, errno.EBUSY, Postponed, "another process has staged a recommendation"),
        (STAGE, errno.EOPNOTSUPP, PausedByKernel, "its baseline is 0"),
        (STAGE, errno.ENODEV, WriteRefused, "the device is gone"),
        (COMMIT, errno.EINVAL, Postponed, "not every knob is staged"),
        (COMMIT, errno.ESTALE, Postponed, "somebody else committed, or a baseline changed"),
        (COMMIT, errno.EBUSY, Postponed, "another process has staged a value since"),
        (COMMIT, errno.EPERM, Overridden, "somebody forbade all recommendations"),
        (COMMIT, errno.EAGAIN, PausedByKernel, "pause after no gain, or harm"),
        (COMMIT, errno.ENODEV, WriteRefused, "the device is gone"),
    ],
)
def test_each_errno_has_its_own_error_and_nothing_changes(
    machine: ClassMachine,
    lease: Lease,
    path: str,
    number: int,
    kind: type[MlproxyError],
    says: str,
) -> None:
    machine.kernel.refuse[path] = number
    with pytest.raises(kind, match=says) as caught:
        lease.recommend({KNOB: 16})
    assert type(caught.value) is kind
    assert errno.errorcode[number] in str(caught.value)
    assert (machine.device.recommended, machine.device.sequence) == (None, 0)


@pytest.mark.parametrize(("value", "says"), [(2, "ERANGE"), (99_999, "ERANGE"), (6, "EINVAL")])
def test_a_value_the_kernel_does_not_take_is_never_committed(
    machine: ClassMachine, lease: Lease, value: int, says: str
) -> None:
    with pytest.raises(WriteRefused, match=says):
        lease.recommend({KNOB: value})
    assert machine.device.sequence == 0


def test_what_was_committed_is_read_back(machine: ClassMachine, lease: Lease) -> None:
    machine.publish = lambda: None  # type: ignore[method-assign]  (the kernel took it back at once)
    with pytest.raises(Postponed, match="the kernel holds none"):
        lease.recommend({KNOB: 16})


def test_a_file_that_keeps_its_value_is_read_back(machine: ClassMachine, lease: Lease) -> None:
    lease.write("lease_ms", 5000)
    machine.publish = lambda: None  # type: ignore[method-assign]
    with pytest.raises(WriteRefused, match="6000 was written, it is 5000"):
        lease.write("lease_ms", 6000)


def test_a_device_that_cannot_be_opened_leaves_no_descriptor(
    machine: ClassMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    (machine.root / COMMIT).unlink()
    with pytest.raises(WriteRefused, match="cannot open commit: ENOENT"):
        Lease(machine.root, FOLDER, [KNOB], machine.kernel)

    def denied(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(machine.kernel, "attach", denied)
    with pytest.raises(NotPermitted, match="this needs root"):
        Lease(machine.root, FOLDER, [KNOB], machine.kernel)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_descriptors_stay_with_the_device_that_they_were_opened_for(
    machine: ClassMachine, lease: Lease
) -> None:
    """What takes the name afterwards is never written to (the kernel answers ENODEV)."""
    folder = machine.root / FOLDER
    (folder / "lease_ms").rename(folder / "old")
    (folder / "lease_ms").write_text("77\n")
    assert lease.read("lease_ms") == 10_000
