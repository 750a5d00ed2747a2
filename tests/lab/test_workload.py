"""The declared workloads: complete, distinct, and laid out so that no two jobs share a file."""

from __future__ import annotations

import pytest

from mlproxy.errors import LabError
from mlproxy.lab.workload import (
    FILE_MB,
    FILES,
    IOSCHED_TRAINING,
    TRAINING,
    Job,
    Workload,
    by_name,
    file_mb,
    streams,
)

ALL = [*TRAINING, *IOSCHED_TRAINING]
CGROUP_MB = 256
DISK_MB = 3000


def test_lists_are_long_enough_to_train_on() -> None:
    assert len(TRAINING) >= 16
    assert len(IOSCHED_TRAINING) >= 14
    assert len({workload.family for workload in TRAINING}) >= 6


def test_names_are_unique() -> None:
    assert len({workload.name for workload in ALL}) == len(ALL)


@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.name)
def test_no_two_jobs_share_a_file(workload: Workload) -> None:
    files = workload.files()
    assert len(set(files)) == len(files) == len(workload.jobs)


@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.name)
def test_the_page_cache_never_holds_a_workload(workload: Workload) -> None:
    total_mb = sum(job.size_mb or file_mb(name) for job, name in named_jobs(workload))
    assert total_mb > 1.2 * CGROUP_MB


def named_jobs(workload: Workload) -> list[tuple[Job, str]]:
    return list(zip(workload.jobs, workload.files(), strict=True))


def test_all_files_fit_the_disk_with_room_for_metadata() -> None:
    assert sum(FILE_MB[stem] * FILES[stem] for stem in FILES) < 0.95 * DISK_MB


def test_readers_have_read_files_and_many_readers_have_stream_files() -> None:
    assert streams(2).files() == ("read.0", "read.1")
    assert streams(4).files() == ("stream.0", "stream.1", "stream.2", "stream.3")


def test_readers_and_writers_are_numbered_apart() -> None:
    jobs = (Job("reader", "read"), Job("writer", "write"), Job("reader", "randread"))
    assert Workload("w", "f", jobs).files() == ("read.0", "write.0", "read.1")


def test_more_jobs_than_files_are_refused() -> None:
    with pytest.raises(LabError, match="there are 2 write files"):
        Workload("crowd", "f", (Job("writer", "write"),) * 3)


def test_sequential_processes_of_one_file_are_refused() -> None:
    with pytest.raises(LabError, match="4 processes of rw=read"):
        Job("reader", "read", numjobs=4)
    assert Job("reader", "randread", numjobs=4).numjobs == 4


def test_by_name_lists_what_there_is() -> None:
    assert by_name(TRAINING, "mmap-random-4k").family == "random"
    with pytest.raises(LabError, match="'nothing'; there are: mmap-random-4k"):
        by_name(TRAINING, "nothing")
