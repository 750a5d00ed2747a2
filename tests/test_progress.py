"""Progress sources: what is read, what is refused, and the proof from a real device of why."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed
from mlproxy.objective import Objective
from mlproxy.policy_objective import ObjectiveSource
from mlproxy.progress import FileProgress, ProgressSource, SampleProgress, open_progress
from mlproxy.progress_polled import PolledProgress
from mlproxy.snapshot import Sample
from mlproxy.tree import Tree

READAHEAD = Objective("progress", "bytes/s", "", refused=("device", "psi"))
IOSCHED = Objective("reads_s", "1/s", "", stock_progress="disk.read_ios")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"42", 42.0),
        (b"42.5\n", 42.5),
        (b" 7 \n", 7.0),
        (b"", None),
        (b"ops 42", None),
        (b"1 2", None),
        (b"nan", None),
        (b"inf", None),
        (b"\xff", None),
        (b"9" * 500, None),
    ],
)
def test_a_file_holds_one_number(tmp_path: Path, content: bytes, expected: float | None) -> None:
    path = tmp_path / "ops"
    path.write_bytes(content)
    assert FileProgress(path).read() == expected


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    source, fresh = FileProgress(tmp_path / "ops"), tmp_path / "fresh"
    readings = [source.read()]
    for number in (1, 2):
        fresh.write_text(f"{number}\n")
        fresh.replace(tmp_path / "ops")
        readings.append(source.read())
    source.close()
    assert readings == [None, 1.0, 2.0]


def test_a_pipe_or_a_folder_in_its_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert FileProgress(tmp_path / "pipe").read() is None
    assert FileProgress(tmp_path).read() is None


def test_a_sample_carries_progress() -> None:
    source = SampleProgress("disk.read_ios")
    assert source.read() is None
    source.update(Sample(0, {"disk.read_ios": 5.0}))
    assert source.read() == 5.0
    source.update(Sample(1, {}))
    assert source.read() is None
    source.close()


def test_without_a_source_the_adapter_decides() -> None:
    source = open_progress(None, IOSCHED, Tree())
    assert source is not None
    assert source.name == "counter disk.read_ios"
    assert open_progress(None, READAHEAD, Tree()) is None


def test_each_key_opens_its_source(tmp_path: Path) -> None:
    def opened(tree: Tree, **key: object) -> ProgressSource | None:
        return open_progress(ObjectiveSource.model_validate(key), READAHEAD, tree)

    recorded, live = Tree(tmp_path), Tree()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/ops").write_text("3")
    metric = {"url": "http://127.0.0.1:9/metrics", "metric": "ops_total"}
    file, cgroup = opened(recorded, file="/run/ops"), opened(live, cgroup="/app")
    assert file is not None
    assert cgroup is not None
    assert (file.read(), file.resolution_s) == (3.0, 0.0)
    assert file.name == f"file {tmp_path}/run/ops"
    assert cgroup.name == "rchar of cgroup /app"
    for key in ({"command": ["/bin/echo", "1"]}, {"prometheus": metric}):
        source = opened(live, **key)
        assert isinstance(source, PolledProgress)
        source.close()
        assert opened(recorded, **key) is None
    assert opened(live, kernel=True) is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"file": "/proc/diskstats"}, "file /proc/diskstats is refused: device throughput"),
        ({"file": "/proc/self/../diskstats"}, "device throughput"),
        ({"file": "/sys/block/sda/stat"}, "device throughput"),
        ({"file": "/sys/fs/cgroup/app/io.stat"}, "device throughput"),
        ({"file": "/proc/pressure/io"}, "PSI"),
        ({"file": "/sys/fs/cgroup/app/io.pressure"}, "PSI"),
        ({"prometheus": "node_disk_read_bytes_total"}, "device throughput"),
        ({"prometheus": 'node_pressure_io_waiting_seconds_total{a="b"}'}, "PSI"),
    ],
)
def test_signals_that_choose_the_wrong_arm_are_refused(source: dict[str, str], why: str) -> None:
    key: dict[str, object] = dict(source)
    if "prometheus" in source:
        key = {"prometheus": {"url": "http://127.0.0.1:9/", "metric": source["prometheus"]}}
    with pytest.raises(ConfigError, match="is refused") as caught:
        open_progress(ObjectiveSource.model_validate(key), READAHEAD, Tree())
    assert why in str(caught.value)


def test_what_one_adapter_refuses_another_may_use() -> None:
    source = ObjectiveSource.model_validate({"file": "/sys/block/sda/stat"})
    assert open_progress(source, IOSCHED, Tree()) is not None


def test_an_adapter_cannot_declare_a_refused_signal_as_progress() -> None:
    both = Objective("x", "1/s", "", stock_progress="disk.read_sectors", refused=("device",))
    with pytest.raises(ConfigError, match=r"progress disk\.read_sectors is refused"):
        open_progress(None, both, Tree())


# The proof

FILE_MB, ARM_S, ROUNDS = 600, 3.0, 3


@pytest.fixture(scope="module")
def bed() -> Iterator[TestBed]:
    with TestBed(PROFILES["fast"], size_mb=FILE_MB + 100, memory_mb=128) as bed:
        with (bed.mount / "data").open("wb") as file:
            for _ in range(FILE_MB):
                file.write(os.urandom(1 << 20))
        bed.set_profile(PROFILES["ssd-dilated"])
        before = knob(bed).read_text()
        yield bed
        knob(bed).write_text(before)


def knob(bed: TestBed) -> Path:
    return Path(f"/sys/class/bdi/{bed.devno}/read_ahead_kb")


def stall_us() -> int:
    some = Path("/proc/pressure/io").read_text().splitlines()[0]
    return int(some.rpartition("total=")[2])


def measure_arm(bed: TestBed, read_ahead_kb: int, folder: Path) -> dict[str, float]:
    """Rates per second of one run of random mmap reads, the file opened under the value."""
    knob(bed).write_text(f"{read_ahead_kb}\n")
    bed.drop_caches()
    progress = FileProgress(folder / "progress")
    reader = [sys.executable, "-m", "mlproxy.lab.reader", str(bed.mount / "data")]
    options = ["--seconds", f"{ARM_S}", "--log", f"{folder}/log", "--progress", str(progress.path)]
    progress.path.write_text("0")
    stalled, read, begun = stall_us(), bed.stats()["bytes"]["read"], time.monotonic()
    subprocess.run(bed.cgroup.wrap([*reader, *options]), check=True)
    elapsed_s = time.monotonic() - begun
    got = progress.read()
    assert got is not None
    return {
        "application": got / elapsed_s,
        "device": (bed.stats()["bytes"]["read"] - read) / elapsed_s,
        "psi": (stall_us() - stalled) / elapsed_s,
    }


@pytest.mark.root
@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/fuse").exists(),
    reason="needs root, /dev/fuse and loop devices",
)
def test_device_throughput_and_psi_are_not_progress_of_random_mmap_reads(
    bed: TestBed, tmp_path: Path
) -> None:
    """The device says 128 wins, pressure sees little; the application says that 4 wins."""
    for _ in range(ROUNDS):
        low, high = (measure_arm(bed, value, tmp_path) for value in (4, 128))
        ratios = {name: low[name] / high[name] for name in low}
        print("\nread_ahead_kb 4 over 128:", {k: round(v, 2) for k, v in ratios.items()})
        assert ratios["application"] > 1.2
        assert ratios["device"] < 1 / 1.2
        assert ratios["psi"] < ratios["application"] / 1.5
