"""The row runner with pretended workloads: order, resumption, records, and what it restores."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlproxy.errors import Busy, LabError
from mlproxy.lab import fio
from mlproxy.lab.arm import READ_AHEAD, readahead_arm
from mlproxy.lab.lock import lab_lock
from mlproxy.lab.profile import PROFILES, Profile
from mlproxy.lab.runner import Bed, Results, declare, run_rows
from mlproxy.lab.workload import FILE_MB, TRAINING, Job, Workload

WORKLOADS = TRAINING[:3]
ARMS = [readahead_arm(kb) for kb in (4, 128, 2048)]
ROWS = declare(WORKLOADS, ARMS, 2, runtime_s=1, ramp_s=0)


class FakeCgroup:
    def wrap(self, argv: Sequence[str]) -> list[str]:
        return list(argv)


@dataclass
class FakeBed:
    mount: Path
    disk: str = "loop9"
    devno: str = "7:9"
    cgroup: FakeCgroup = field(default_factory=FakeCgroup)
    profile: Profile = PROFILES["ssd-5ms"]
    drops: int = 0

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile

    def drop_caches(self) -> None:
        self.drops += 1

    def stats(self) -> dict[str, Any]:
        return {"late_us": 7.0}


@dataclass
class Lab:
    """A pretended machine and a measurement that notes the knob it ran under."""

    root: Path
    bed: FakeBed
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    stop_after: int = 10**6
    stop_with: BaseException = field(default_factory=KeyboardInterrupt)

    @property
    def knob(self) -> Path:
        return self.root / READ_AHEAD.format(devno=self.bed.devno)

    def measure(
        self,
        workload: Workload,
        bed: Bed,
        runtime_s: float,
        ramp_s: float,
        *,
        seed: int,
        observe: fio.Observe | None,
    ) -> fio.WorkloadResult:
        self.seen.append((workload.name, self.knob.read_text().strip(), seed))
        if len(self.seen) > self.stop_after:
            raise self.stop_with
        return fio.WorkloadResult((fio.JobResult(0, "reader", 1e6, 250.0, 1.0, 2.0),), [{"w": 1}])

    def run(self, path: Path, rows: Sequence[Any] = tuple(ROWS)) -> int:
        lock = self.root / "lab.lock"
        options: dict[str, Any] = {"root": self.root, "lock": lock, "quiet": True}
        return run_rows(rows, self.bed, path, measure=self.measure, **options)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, FakeBed(tmp_path))
    lab.knob.parent.mkdir(parents=True)
    lab.knob.write_text("128\n")
    return lab


def test_declare_interleaves_by_repeat_and_depends_on_the_seed() -> None:
    assert [row.repeat for row in ROWS] == [0] * 9 + [1] * 9
    for half in (ROWS[:9], ROWS[9:]):
        assert len({(row.workload.name, row.arm.name) for row in half}) == 9
    assert [row.arm for row in ROWS[:9]] != [row.arm for row in ROWS[9:]]
    for block in (ROWS[at : at + 3] for at in range(0, len(ROWS), 3)):
        assert len({row.workload.name for row in block}) == 1, "a workload's arms side by side"
    again = declare(WORKLOADS, ARMS, range(1, 2), runtime_s=1, ramp_s=0)
    assert again == ROWS[9:]
    assert declare(WORKLOADS, ARMS, 2, runtime_s=1, ramp_s=0, seed=1) != ROWS


def test_an_id_changes_with_whatever_is_measured() -> None:
    row = ROWS[0]
    ids = {
        row.id("ssd"),
        row.id("disk"),
        replace(row, runtime_s=2).id("ssd"),
        replace(row, repeat=7).id("ssd"),
        replace(row, arm=replace(row.arm, knobs=((READ_AHEAD, "8"),))).id("ssd"),
        replace(row, workload=replace(row.workload, jobs=(Job("reader", "read"),))).id("ssd"),
    }
    assert len(ids) == 6
    assert row.id("ssd").startswith(f"ssd/{row.workload.name}/{row.arm.name}/0/")


def test_every_row_runs_cold_under_its_own_knobs(lab: Lab, tmp_path: Path) -> None:
    assert lab.run(tmp_path / "out.jsonl") == 18
    expected = [(row.workload.name, row.arm.knobs[0][1], row.repeat) for row in ROWS]
    assert lab.seen == expected
    assert lab.bed.drops == 18


def test_a_recorded_row_is_complete(lab: Lab, tmp_path: Path) -> None:
    lab.run(tmp_path / "out.jsonl", ROWS[:1])
    (row,) = Results(tmp_path / "out.jsonl").load()
    kb = ROWS[0].arm.knobs[0][1]
    assert row["id"] == ROWS[0].id("ssd-5ms")
    assert row["effective"] == {"sys/class/bdi/7:9/read_ahead_kb": kb}
    assert row["result"][0]["iops"] == 250.0
    assert row["windows"] == [{"w": 1}]
    assert row["late_us"] == 7.0
    assert set(row["versions"]) == {"kernel", "python", "fio", "mlproxy"}
    assert (row["family"], row["profile"], row["repeat"]) == ("random", "ssd-5ms", 0)


def test_an_interrupted_run_restores_and_goes_on_where_it_stopped(lab: Lab, tmp_path: Path) -> None:
    lab.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        lab.run(tmp_path / "out.jsonl")
    assert lab.knob.read_text().strip() == "128"
    lab.stop_after = 10**6
    assert lab.run(tmp_path / "out.jsonl") == 13
    ids = [row["id"] for row in Results(tmp_path / "out.jsonl").load()]
    assert ids == [row.id("ssd-5ms") for row in ROWS]
    assert lab.run(tmp_path / "out.jsonl") == 0


def test_sigterm_restores_every_knob(lab: Lab, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    rows = declare(WORKLOADS, [readahead_arm(4)], 1, runtime_s=1, ramp_s=0)

    def measure(*_args: Any, **_kwargs: Any) -> fio.WorkloadResult:
        assert lab.knob.read_text().strip() == "4"
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal should have ended the run")

    lab.measure = measure  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match="143"):
        lab.run(tmp_path / "out.jsonl", rows)
    assert lab.knob.read_text().strip() == "128"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_knob_that_changes_during_a_row_ends_the_run_unrecorded(lab: Lab, tmp_path: Path) -> None:
    honest = lab.measure

    def meddled(*args: Any, **kwargs: Any) -> fio.WorkloadResult:
        result = honest(*args, **kwargs)
        lab.knob.write_text("999\n")
        return result

    lab.measure = meddled  # type: ignore[method-assign]
    with pytest.raises(Exception, match="read_ahead_kb is 999, not"):
        lab.run(tmp_path / "out.jsonl")
    assert Results(tmp_path / "out.jsonl").load() == []


def test_only_one_lab_at_a_time(lab: Lab, tmp_path: Path) -> None:
    with lab_lock("another", path=tmp_path / "lab.lock"), pytest.raises(Busy, match="another"):
        lab.run(tmp_path / "out.jsonl")
    assert lab.seen == []


def test_a_torn_last_line_is_cut_and_its_row_repeated(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    lab.run(path, ROWS[:3])
    path.write_bytes(path.read_bytes()[:-20])
    assert len(Results(path).load()) == 2
    assert lab.run(path, ROWS[:3]) == 1
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [
        row.id("ssd-5ms") for row in ROWS[:3]
    ]


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"id": "a"}\n[1]\n')
    with pytest.raises(LabError, match=r"out.jsonl:2 is not a result row"):
        Results(path).load()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: loop devices and FUSE")
def test_real_rows_differ_by_their_readahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlproxy.lab.testbed import TestBed

    monkeypatch.setitem(FILE_MB, "read", 64)
    rows = declare(TRAINING[:1], ARMS[::2], 1, runtime_s=1, ramp_s=0.2)
    with TestBed(PROFILES["ssd-dilated"], size_mb=200, memory_mb=64) as bed:
        fio.lay_out(bed, TRAINING[:1])
        before = (bed.sysfs / "bdi/read_ahead_kb").read_text()
        path, lock = tmp_path / "out.jsonl", tmp_path / "lab.lock"
        assert run_rows(rows, bed, path, lock=lock, quiet=True) == 2
        assert (bed.sysfs / "bdi/read_ahead_kb").read_text() == before
    iops = {row["arm"]: row["result"][0]["iops"] for row in Results(path).load()}
    assert iops["ra=4"] > 2 * iops["ra=2048"] > 0
