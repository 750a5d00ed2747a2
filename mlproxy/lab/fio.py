"""Runs a workload with fio: job file out, JSON in, both pure; only `run` starts a process.

fio turns readahead off by itself (posix_fadvise, madvise) unless fadvise_hint=0, hence that
option in every job file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from mlproxy.errors import LabError
from mlproxy.lab.profile import PROFILES, Profile
from mlproxy.lab.workload import Job, Workload, file_mb

Windows = list[dict[str, Any]]
Observe = Callable[[], AbstractContextManager[Windows]]


class Joinable(Protocol):
    """A cgroup that a command can be made to join first."""

    def wrap(self, argv: Sequence[str]) -> list[str]: ...


class Bed(Protocol):
    """The part of a TestBed that workloads need."""

    @property
    def mount(self) -> Path: ...
    @property
    def cgroup(self) -> Joinable: ...
    @property
    def profile(self) -> Profile: ...
    def set_profile(self, profile: Profile) -> None: ...


@dataclass(frozen=True)
class JobResult:
    """What one job did in one direction; latencies are None when nothing completed.

    role follows the direction ("reader" for reads), also in a job that mixes both. clat is
    submission to completion; sync_* is the fsync itself.
    """

    job: int
    role: str
    bytes_s: float
    iops: float
    clat_mean_us: float | None
    clat_p99_us: float | None
    sync_mean_us: float | None = None
    sync_p99_us: float | None = None


@dataclass(frozen=True)
class WorkloadResult:
    """One run of a workload, ramp excluded, and the windows an observer collected in it.

    `metrics` are those that the jobs alone do not tell, `notes` whatever else belongs to the row.
    """

    jobs: tuple[JobResult, ...]
    windows: Windows
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, role: str) -> tuple[JobResult, ...]:
        """The results of one role."""
        return tuple(job for job in self.jobs if job.role == role)

    def bytes_s(self, role: str) -> float:
        """Bytes per second of all jobs of one role together."""
        return sum(job.bytes_s for job in self.of(role))

    def as_json(self) -> list[dict[str, Any]]:
        """The job results as plain values, for a row of a results file."""
        return [asdict(job) for job in self.jobs]


def _job_options(job: Job, path: Path) -> Iterator[tuple[str, object]]:
    yield from {
        "filename": path,
        "ioengine": job.engine,
        "rw": job.rw,
        "bs": job.bs,
        "iodepth": job.iodepth,
        "size": f"{job.size_mb or file_mb(path.name)}m",
        "numjobs": job.numjobs,
        "direct": int(job.direct),
        # One group per job, or fio cannot give a percentile over a job's processes.
        "new_group": 1,
        "group_reporting": 1,
    }.items()
    if job.fsync:
        yield "fsync", job.fsync
    if job.rate:
        yield "rate", job.rate
    yield from job.extra


def job_file(
    workload: Workload, directory: Path, runtime_s: float, ramp_s: float, seed: int
) -> str:
    """The fio job file of a workload whose files are in `directory`.

    filename stands in each job: in [global] fio would add it to the job's own.
    """
    options = {
        "fadvise_hint": 0,
        "invalidate": 1,
        "time_based": 1,
        "runtime": f"{round(runtime_s * 1000)}ms",
        "ramp_time": f"{round(ramp_s * 1000)}ms",
        "norandommap": 1,
        "overwrite": 1,
        "randseed": seed + 1,
        "allow_file_create": 0,
    }
    lines = ["[global]", *(f"{key}={value}" for key, value in options.items())]
    for index, (job, name) in enumerate(zip(workload.jobs, workload.files(), strict=True)):
        lines.append(f"[job{index}]")
        lines += [f"{key}={value}" for key, value in _job_options(job, directory / name)]
    return "\n".join(lines) + "\n"


def _latency_us(stats: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Mean and 99th percentile in microseconds of one of fio's *_ns objects."""
    percentiles = stats.get("percentile")
    if not percentiles:
        return None, None
    return stats["mean"] / 1000, percentiles["99.000000"] / 1000


def _directions(job: Job) -> tuple[tuple[str, str], ...]:
    both = (("read", "reader"), ("write", "writer"))
    if job.rw.split(":")[0] in ("rw", "readwrite", "randrw"):
        return both
    return both[:1] if "read" in job.rw else both[1:]


def _job_results(index: int, job: Job, report: Mapping[str, Any]) -> Iterator[JobResult]:
    if report["error"]:
        raise LabError(f"fio job {index} ({job.rw}, {job.engine}): {os.strerror(report['error'])}")
    for direction, role in _directions(job):
        done = report[direction]
        sync = _latency_us(report["sync"]["lat_ns"]) if role == "writer" else (None, None)
        rates = (float(done["bw_bytes"]), float(done["iops"]))
        yield JobResult(index, role, *rates, *_latency_us(done["clat_ns"]), *sync)


def parse(workload: Workload, text: str) -> tuple[JobResult, ...]:
    """fio's JSON output as job results; LabError names what fio said instead."""
    try:
        report = json.loads(text[text.index("{") :])
    except ValueError:
        raise LabError(f"workload {workload.name!r}: fio said {text.strip()[:300]!r}") from None
    found = [job for job in report["jobs"] if job["jobname"].startswith("job")]
    if len(found) != len(workload.jobs):
        raise LabError(f"workload {workload.name!r}: fio reports {len(found)} jobs")
    pairs = enumerate(zip(workload.jobs, found, strict=True))
    return tuple(result for index, pair in pairs for result in _job_results(index, *pair))


@contextmanager
def _process(argv: Sequence[str], output: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """A process group that does not outlive the block (fio's jobs are forked children)."""
    # A pipe could fill up: nobody reads it while an observer is at work.
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                _end_group(process)


def _end_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[str], deadline_s: float) -> None:
    """Until the monotonic deadline, or the end of the process if that comes first."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline_s - time.monotonic()))


def run(
    workload: Workload,
    bed: Bed,
    runtime_s: float,
    ramp_s: float,
    *,
    seed: int = 0,
    observe: Observe | None = None,
) -> WorkloadResult:
    """Run a workload in the bed's cgroup for ramp_s and then runtime_s measured seconds.

    `observe` is entered when the ramp is over and left when the measured time is; the list it
    yields becomes the result's windows. LabError when fio fails.
    """
    argv = bed.cgroup.wrap(["fio", "--output-format=json", "--eta=never", "-"])
    text = job_file(workload, bed.mount, runtime_s, ramp_s, seed)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with _process(argv, output) as process:
            ramp_over_s = time.monotonic() + ramp_s
            _feed(process, text)
            windows = _observed(process, ramp_over_s, runtime_s, observe) if observe else []
            process.wait()
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise LabError(f"workload {workload.name!r}: fio failed: {said.strip()[:300]}")
    return WorkloadResult(parse(workload, said), windows)


def _feed(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(text)


def _observed(
    process: subprocess.Popen[str], ramp_over_s: float, runtime_s: float, observe: Observe
) -> Windows:
    _wait(process, ramp_over_s)
    with observe() as windows:
        _wait(process, ramp_over_s + runtime_s)
    return windows


def missing_files(directory: Path, workloads: Iterable[Workload]) -> list[str]:
    """Workload files that are not there in full, holes counted as absent."""
    names = sorted({name for workload in workloads for name in workload.files()})
    return [name for name in names if _allocated_mb(directory / name) < file_mb(name)]


def _allocated_mb(path: Path) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return min(status.st_size, status.st_blocks * 512) >> 20


def write_files(directory: Path, names: Iterable[str]) -> None:
    """Write workload files in full, past the page cache; LabError when fio fails."""
    for name in names:
        options = {"filename": directory / name, "size": f"{file_mb(name)}m", "bs": "1m"}
        options |= {"rw": "write", "direct": 1, "ioengine": "psync", "end_fsync": 1}
        argv = ["fio", "--name=layout", *(f"--{key}={value}" for key, value in options.items())]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"cannot lay out {directory / name}: {done.stderr.strip()[:300]}")


def lay_out(bed: Bed, workloads: Iterable[Workload]) -> list[str]:
    """Write the files that the workloads read and overwrite, unless they are there already.

    The device is "fast" meanwhile. Returns the names that were written.
    """
    names = missing_files(bed.mount, workloads)
    if names:
        profile = bed.profile
        bed.set_profile(PROFILES["fast"])
        try:
            write_files(bed.mount, names)
        finally:
            bed.set_profile(profile)
    return names
