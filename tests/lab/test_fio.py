"""The job file that fio gets, what is made of its answer, and the process around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlproxy.errors import LabError
from mlproxy.lab import fio
from mlproxy.lab.profile import PROFILES, Profile
from mlproxy.lab.workload import FILE_MB, IOSCHED_TRAINING, TRAINING, Job, Workload, by_name

READ = Workload("read", "f", (Job("reader", "randread", "mmap"),))
WRITE = Workload("write", "f", (Job("writer", "randwrite", fsync=1),))
MIXED = by_name(IOSCHED_TRAINING, "mixed-70-30-qd16")


def latency(mean_ns: float, p99_ns: int) -> dict[str, Any]:
    return {"mean": mean_ns, "percentile": {"50.000000": 1, "99.000000": p99_ns}}


def report(**changes: Any) -> dict[str, Any]:
    """One job as fio 3.33 reports it, the fields that are read."""
    idle = {"bw_bytes": 0, "iops": 0.0, "clat_ns": {"mean": 0.0}}
    sync = {"lat_ns": {"mean": 0.0}}
    return {"jobname": "job0", "error": 0, "read": idle, "write": idle, "sync": sync} | changes


def answer(*jobs: dict[str, Any]) -> str:
    return "note: both iodepth >= 1\n" + json.dumps({"jobs": jobs})


BUSY = {"bw_bytes": 4096000, "iops": 1000.0, "clat_ns": latency(2000.0, 9000)}


@pytest.mark.parametrize("workload", [*TRAINING, *IOSCHED_TRAINING], ids=lambda w: w.name)
def test_readahead_stays_on_in_every_job_file(workload: Workload) -> None:
    text = fio.job_file(workload, Path("/m"), 20, 3, seed=1)
    head, *sections = text.split("[job")
    assert "fadvise_hint=0" in head.splitlines()
    assert "filename" not in head
    assert [section.count("filename=/m/") for section in sections] == [1] * len(workload.jobs)


def test_job_file_carries_the_job() -> None:
    job = Job("writer", "randwrite", "libaio", "64k", 16, 2, 10, True, 4, "2m", (("x", "y"),))
    lines = fio.job_file(Workload("w", "f", (job,)), Path("/m"), 1.5, 0.25, seed=7).splitlines()
    for line in ("runtime=1500ms", "ramp_time=250ms", "randseed=8", "filename=/m/write.0"):
        assert line in lines
    for line in ("ioengine=libaio", "bs=64k", "iodepth=16", "size=10m", "direct=1", "numjobs=2"):
        assert line in lines
    assert lines[-3:] == ["fsync=4", "rate=2m", "x=y"]


def test_size_defaults_to_the_whole_file() -> None:
    assert "size=720m" in fio.job_file(READ, Path("/m"), 1, 0, seed=0).splitlines()


def test_parse_reads_rates_and_latencies_in_microseconds() -> None:
    (result,) = fio.parse(READ, answer(report(read=BUSY)))
    assert result == fio.JobResult(0, "reader", 4096000.0, 1000.0, 2.0, 9.0)


def test_parse_keeps_a_starved_reader_as_zero() -> None:
    (result,) = fio.parse(READ, answer(report()))
    assert (result.role, result.iops, result.clat_mean_us) == ("reader", 0.0, None)


def test_parse_reports_fsync_of_writers_only() -> None:
    sync = {"lat_ns": latency(5000.0, 7000)}
    (writer,) = fio.parse(WRITE, answer(report(write=BUSY, sync=sync)))
    assert (writer.sync_mean_us, writer.sync_p99_us) == (5.0, 7.0)
    (reader,) = fio.parse(READ, answer(report(read=BUSY, sync=sync)))
    assert reader.sync_p99_us is None


def test_parse_splits_a_mixed_job_by_direction() -> None:
    results = fio.parse(MIXED, answer(report(read=BUSY, write=BUSY)))
    assert [result.role for result in results] == ["reader", "writer"]
    outcome = fio.WorkloadResult(results, [])
    assert outcome.bytes_s("reader") == 4096000.0
    assert outcome.as_json()[1]["role"] == "writer"


def test_parse_names_what_went_wrong() -> None:
    with pytest.raises(LabError, match="No space left"):
        fio.parse(READ, answer(report(error=28)))
    with pytest.raises(LabError, match="fio said 'no such engine'"):
        fio.parse(READ, "no such engine")
    with pytest.raises(LabError, match="fio reports 2 jobs"):
        fio.parse(READ, answer(report(), report()))


@dataclass
class FakeCgroup:
    script: str

    def wrap(self, argv: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", self.script, *argv]


@dataclass
class FakeBed:
    mount: Path
    cgroup: FakeCgroup = field(default_factory=lambda: FakeCgroup(""))
    profile: Profile = PROFILES["ssd-5ms"]
    seen: list[str] = field(default_factory=list)

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile
        self.seen.append(profile.name)


def fake_fio(text: str, status: int = 0) -> FakeCgroup:
    return FakeCgroup(f"import sys; sys.stdin.read(); print({text!r}); sys.exit({status})")


def test_run_parses_what_the_wrapped_process_says(tmp_path: Path) -> None:
    bed = FakeBed(tmp_path, fake_fio(answer(report(read=BUSY))))
    assert fio.run(READ, bed, 1, 0).jobs[0].iops == 1000.0


def test_run_reports_a_failed_process(tmp_path: Path) -> None:
    bed = FakeBed(tmp_path, fake_fio("fio: bad option", 1))
    with pytest.raises(LabError, match="'read': fio failed: fio: bad option"):
        fio.run(READ, bed, 1, 0)


def test_run_returns_the_windows_of_the_observer(tmp_path: Path) -> None:
    @contextmanager
    def observe() -> Iterator[fio.Windows]:
        windows: fio.Windows = []
        yield windows
        windows.append({"a": 1})

    bed = FakeBed(tmp_path, fake_fio(answer(report(read=BUSY))))
    assert fio.run(READ, bed, 0.01, 0, observe=observe).windows == [{"a": 1}]


def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path) -> None:
    """fio forks its jobs: the whole group has to go, not only the parent."""
    pids = tmp_path / "pids"
    script = (
        "import os, time, pathlib\n"
        "child = os.fork()\n"
        f"if child: pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child}}')\n"
        "time.sleep(60)\n"
    )

    def observe() -> AbstractContextManager[fio.Windows]:
        while not pids.exists() or not pids.read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fio.run(READ, FakeBed(tmp_path, FakeCgroup(script)), 60, 0, observe=observe)
    left = [int(pid) for pid in pids.read_text().split()]
    for _ in range(100):  # the group was killed; dying takes a moment on a busy machine
        left = [pid for pid in left if running(pid)]
        if not left:
            break
        time.sleep(0.05)
    assert left == []


def running(pid: int) -> bool:
    """Whether it still executes; an orphan that is dead but not yet reaped does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return done.stdout.strip() not in (b"", b"Z", b"Zs")


def test_missing_files_counts_holes_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILE_MB, "read", 1)
    assert fio.missing_files(tmp_path, [READ]) == ["read.0"]
    with (tmp_path / "read.0").open("wb") as file:
        file.truncate(1 << 20)
    assert fio.missing_files(tmp_path, [READ]) == ["read.0"]
    (tmp_path / "read.0").write_bytes(os.urandom(1 << 20))
    assert fio.missing_files(tmp_path, [READ]) == []


def test_lay_out_is_fast_and_puts_the_profile_back_even_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path, names: Sequence[str]) -> None:
        raise LabError("disk full")

    bed = FakeBed(tmp_path)
    monkeypatch.setattr(fio, "write_files", fail)
    with pytest.raises(LabError, match="disk full"):
        fio.lay_out(bed, [READ])
    assert bed.seen == ["fast", "ssd-5ms"]
