"""Knobs on a pretended sysfs whose files behave as the kernel's do, hidden depth included."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlproxy.errors import LabError, WriteRefused
from mlproxy.lab import arm as module
from mlproxy.lab.arm import (
    MAX_BYTES,
    NR_REQUESTS,
    READ_AHEAD,
    SCHEDULER,
    STRICT_LIMIT,
    TAGS,
    WBT,
    Arm,
    KnobState,
    arm,
    iosched_arm,
    readahead_arm,
)

NAMES = {"disk": "loop9", "devno": "7:9"}
SCHEDULERS = ("none", "mq-deadline", "kyber", "bfq")
TAG_COUNT = 128


class Kernel:
    """What Linux 6.18 was seen to do with these files on a loop device."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.writes: list[tuple[str, str]] = []
        self.deaf: set[str] = set()
        self.debugfs = True
        for path, value in {
            SCHEDULER: "[none] mq-deadline kyber bfq",
            NR_REQUESTS: "128",
            WBT: "2000",
            READ_AHEAD: "128",
            MAX_BYTES: "4995334144",
            MAX_BYTES.replace("bytes", "ratio_fine"): "1000000",
            STRICT_LIMIT: "0",
        }.items():
            self.file(path).parent.mkdir(parents=True, exist_ok=True)
            self.file(path).write_text(value + "\n")
        self.file(TAGS).parent.mkdir(parents=True)
        self._tags(TAG_COUNT)

    def file(self, path: str) -> Path:
        return self.root / path.format(**NAMES)

    def value(self, path: str) -> str:
        return self.file(path).read_text().strip()

    def _tags(self, depth: int) -> None:
        if not self.debugfs:
            return
        text = f"nr_tags={TAG_COUNT}\nactive_queues=0\n\nbitmap_tags:\ndepth={depth}\nbusy=0\n"
        self.file(TAGS).write_text(text)

    def store(self, path: str, value: str) -> None:
        self.writes.append((path, value))
        if path in self.deaf:
            return
        effects: dict[str, Callable[[str], None]] = {
            SCHEDULER: self._scheduler,
            NR_REQUESTS: self._nr_requests,
            MAX_BYTES: self._max_bytes,
        }
        if path in effects:
            effects[path](value)
        else:
            self.file(path).write_text(value + "\n")

    def _scheduler(self, value: str) -> None:
        words = [f"[{word}]" if word == value else word for word in SCHEDULERS]
        self.file(SCHEDULER).write_text(" ".join(words) + "\n")
        self.file(NR_REQUESTS).write_text("128\n" if value == "none" else "256\n")
        self.file(WBT).write_text("0\n" if value == "bfq" else "2000\n")

    def _nr_requests(self, value: str) -> None:
        if value != self.value(NR_REQUESTS) and "[none]" in self.value(SCHEDULER):
            self._tags(int(value))
        self.file(NR_REQUESTS).write_text(value + "\n")

    def _max_bytes(self, value: str) -> None:
        self.file(MAX_BYTES).write_text(f"{int(value) - 1234}\n")
        self.file(MAX_BYTES.replace("bytes", "ratio_fine")).write_text("4004\n")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(tmp_path)

    def write(self: KnobState, path: str, value: str) -> None:
        kernel.store(path, value)

    monkeypatch.setattr(module.KnobState, "_write", write)
    return kernel


def state(kernel: Kernel, *arms: Arm) -> KnobState:
    return KnobState(arms, NAMES["disk"], NAMES["devno"], kernel.root)


def test_equal_values_are_never_rewritten(kernel: Kernel) -> None:
    knobs = state(kernel, readahead_arm(64))
    knobs.apply(readahead_arm(64))
    knobs.apply(readahead_arm(64))
    assert kernel.writes == [(READ_AHEAD, "64")]


def test_a_knob_that_an_arm_leaves_out_holds_its_baseline(kernel: Kernel) -> None:
    default = Arm("default", ())
    knobs = state(kernel, readahead_arm(64), default)
    knobs.apply(readahead_arm(64))
    effective = knobs.apply(default)
    assert effective == {"sys/class/bdi/7:9/read_ahead_kb": "128"}


def test_the_scheduler_comes_before_what_it_resets(kernel: Kernel) -> None:
    wanted = arm("x", {NR_REQUESTS: 32, WBT: 500, SCHEDULER: "mq-deadline"})
    effective = state(kernel, wanted).apply(wanted)
    assert kernel.writes[0] == (SCHEDULER, "mq-deadline")
    assert effective["sys/block/loop9/queue/nr_requests"] == "32"
    assert effective["hardware_depth"] == "128"


def test_a_hidden_depth_under_a_scheduler_is_repaired(kernel: Kernel) -> None:
    narrow, wide = iosched_arm("none", 8), iosched_arm("mq-deadline", 256)
    knobs = state(kernel, narrow, wide)
    assert knobs.apply(narrow)["hardware_depth"] == "8"
    assert knobs.apply(wide)["hardware_depth"] == "128"
    assert kernel.value(NR_REQUESTS) == "256"


def test_a_hidden_depth_under_none_is_repaired_by_two_writes(kernel: Kernel) -> None:
    kernel._tags(8)
    wanted = iosched_arm("none", 128)
    assert state(kernel, wanted).apply(wanted)["hardware_depth"] == "128"
    assert kernel.writes == [(NR_REQUESTS, "127"), (NR_REQUESTS, "128")]


def test_an_unrepaired_depth_is_refused(kernel: Kernel) -> None:
    kernel._tags(8)
    kernel.deaf.add(NR_REQUESTS)
    wanted = iosched_arm("none", 128)
    with pytest.raises(WriteRefused, match=r"tags: depth 8 in arm 'none:nr=128'"):
        state(kernel, wanted).apply(wanted)


def test_without_debugfs_only_sysfs_is_checked(kernel: Kernel) -> None:
    kernel.file(TAGS).unlink()
    kernel.debugfs = False
    wanted = iosched_arm("none", 8)
    assert "hardware_depth" not in state(kernel, wanted).apply(wanted)


def test_a_value_that_did_not_take_is_refused(kernel: Kernel) -> None:
    kernel.deaf.add(READ_AHEAD)
    with pytest.raises(WriteRefused, match="read_ahead_kb is 128, not 64 as arm 'ra=64' asks"):
        state(kernel, readahead_arm(64)).apply(readahead_arm(64))


def test_a_scheduler_without_what_it_resets_is_ambiguous(kernel: Kernel) -> None:
    vague = arm("vague", {SCHEDULER: "kyber"})
    for explicit, name in (({NR_REQUESTS: 8}, "nr_requests"), ({WBT: 0}, "wbt_lat_usec")):
        with pytest.raises(LabError, match=f"scheduler kyber must name {name}"):
            state(kernel, vague, arm("explicit", explicit)).apply(vague)
    assert state(kernel, vague).apply(vague)["sys/block/loop9/queue/nr_requests"] == "256"


def test_a_byte_limit_may_round_and_goes_back_through_its_share(kernel: Kernel) -> None:
    wanted = arm("w", {MAX_BYTES: 20_000_000, STRICT_LIMIT: 1})
    knobs = state(kernel, wanted)
    knobs.apply(wanted)
    assert kernel.value(MAX_BYTES) == "19998766"
    knobs.restore()
    assert kernel.value(MAX_BYTES.replace("bytes", "ratio_fine")) == "1000000"
    assert kernel.value(STRICT_LIMIT) == "0"


def test_restore_puts_back_what_the_scheduler_took_along(kernel: Kernel) -> None:
    kernel.store(WBT, "700")
    knobs = state(kernel, arm("bfq", {SCHEDULER: "bfq"}))
    knobs.apply(arm("bfq", {SCHEDULER: "bfq"}))
    assert kernel.value(WBT) == "0"
    knobs.restore()
    assert kernel.value(SCHEDULER).startswith("[none]")
    assert (kernel.value(WBT), kernel.value(NR_REQUESTS)) == ("700", "128")


def test_restore_tries_every_knob_before_it_complains(kernel: Kernel) -> None:
    wanted = arm("x", {WBT: 500, READ_AHEAD: 64})
    knobs = state(kernel, wanted)
    knobs.apply(wanted)
    kernel.file(WBT).unlink()
    with pytest.raises(LabError, match=r"not restored: cannot read .*wbt_lat_usec: No such file"):
        knobs.restore()
    assert kernel.value(READ_AHEAD) == "128"


def test_a_knob_that_is_not_there_is_named(kernel: Kernel) -> None:
    with pytest.raises(LabError, match=r"cannot read .*loop9/queue/wings: No such file"):
        state(kernel, arm("x", {"sys/block/{disk}/queue/wings": 1}))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: loop devices and FUSE")
def test_real_queue_depths_are_what_debugfs_says() -> None:
    from mlproxy.lab.profile import PROFILES
    from mlproxy.lab.testbed import TestBed

    arms = [iosched_arm("none", 8), iosched_arm("mq-deadline", 64), iosched_arm("none", 128)]
    with TestBed(PROFILES["fast"], size_mb=64, fs=None) as bed:
        knobs = KnobState(arms, bed.disk, bed.devno)
        before = knobs.read(NR_REQUESTS), knobs.read(SCHEDULER)
        for wanted in arms:
            knobs.apply(wanted)
        knobs.restore()
        assert (knobs.read(NR_REQUESTS), knobs.read(SCHEDULER)) == before
