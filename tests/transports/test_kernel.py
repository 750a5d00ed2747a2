"""The kernel transport: which proxies go through class ml_proxy, and what samples then hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mlproxy.identity import differs, identify
from mlproxy.kernel_trial import kernel_reading
from mlproxy.mode import Mode
from mlproxy.proxy import Identity
from mlproxy.record_tree import record_tree
from mlproxy.snapshot import Window
from mlproxy.transports.base import Transport
from mlproxy.transports.choose import open_transport
from mlproxy.transports.class_values import SNAPSHOT
from mlproxy.transports.kernel import KernelTransport
from mlproxy.transports.ml_class import CLASS
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree
from mlproxy_iosched import IoschedAdapter
from mlproxy_readahead import ReadaheadAdapter

TREES = Path(__file__).parents[1] / "fixtures/trees"
NAME = "readahead.7:0"

FILES = {
    "abi": "1",
    "provider": "readahead",
    "id": "31",
    "mode": "learning",
    "mode_limit": "recommendation",
    "lease_ms": "10000",
    "lease_remaining_ms": "7000",
    "sequence": "5",
    "features/progress_bytes": "4096000",
    "features/stall_ns": "123456789",
    "read_ahead_kb/baseline": "128",
    "read_ahead_kb/recommended": "16",
    "read_ahead_kb/effective": "128",
    "read_ahead_kb/min": "4",
    "read_ahead_kb/max": "16384",
    "trial/slot_ms": "250",
    "trial/pairs": "3",
    "trial/wins": "2",
    "trial/losses": "1",
    "trial/log_sum": "-77",
}


def offer(root: Path, name: str, parent: str, files: dict[str, str], debugfs: bool = False) -> Path:
    """A device of the class on the object at `parent`; both paths are inside the tree."""
    folder = root / CLASS / name
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{text}\n")
    (folder / "commit").write_text("")
    (folder / "device").symlink_to(os.path.relpath(root / parent, folder))
    if debugfs:
        lines = [f"{name} {path} {text}" for path, text in files.items()]
        lines = [f"{name}0 id 1", *lines, f"{name}1 id 2"]
        (root / SNAPSHOT).parent.mkdir(parents=True, exist_ok=True)
        (root / SNAPSHOT).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One snapshot of a recorded machine, to be given a class."""
    shutil.copytree(TREES / "loop-random/001", tmp_path / "m", symlinks=True)
    return tmp_path / "m"


def opened(root: Path) -> Transport:
    return open_transport(Tree(root))


def test_a_kernel_without_the_class_is_reached_as_ever(root: Path) -> None:
    assert isinstance(opened(root), StockTransport)


def test_a_proxy_of_the_class_replaces_the_stock_one_of_the_same_object(root: Path) -> None:
    stock = {p.device: p for p in opened(root).discover(ReadaheadAdapter())}
    offer(root, NAME, "sys/class/bdi/7:0", FILES)
    transport = opened(root)
    found = {p.device: p for p in transport.discover(ReadaheadAdapter())}
    assert set(found) == set(stock)
    loop = found["loop0"]
    assert (loop.transport, loop.lease) == ("kernel", f"{CLASS}/{NAME}")
    assert (loop.id, loop.identity, loop.knobs, loop.names) == (
        stock["loop0"].id,
        stock["loop0"].identity,
        stock["loop0"].knobs,
        stock["loop0"].names,
    )
    assert (found["vda"].transport, found["vda"].lease) == ("stock", "")


def test_the_object_decides_not_the_name(root: Path) -> None:
    offer(root, "readahead.99:9", "sys/class/bdi/7:0", FILES)
    offer(root, "other.7:0", "sys/class/bdi/7:0", FILES | {"provider": "other"})
    found = {p.device: p.lease for p in opened(root).discover(ReadaheadAdapter())}
    assert found == {"loop0": f"{CLASS}/readahead.99:9", "vda": ""}


@pytest.mark.parametrize("name", ["mode_limit", "sequence", "commit", "id", "lease_ms"])
def test_a_device_that_lacks_a_file_is_not_used_and_it_is_said(root: Path, name: str) -> None:
    (offer(root, NAME, "sys/class/bdi/7:0", FILES) / name).unlink()
    loop = next(p for p in opened(root).discover(ReadaheadAdapter()) if p.device == "loop0")
    assert (loop.transport, loop.lease) == ("stock", "")
    assert f"the kernel's proxy lacks {name}: knobs are written themselves" in loop.lacks


def test_a_device_that_does_not_take_every_knob_leaves_the_proxy_stock(root: Path) -> None:
    """nr_requests and the elevator stay with the agent; the counters are taken nevertheless."""
    files = {k.replace("read_ahead_kb", "async_depth"): v for k, v in FILES.items()}
    offer(root, "iosched.loop0", "sys/block/loop0", files | {"provider": "iosched"})
    transport = opened(root)
    proxies = transport.discover(IoschedAdapter())
    loop = next(p for p in proxies if p.device == "loop0")
    assert (loop.transport, loop.lease) == ("stock", "")
    assert any("takes nothing for scheduler, nr_requests" in each for each in loop.lacks)
    assert transport.sample(proxies)[loop.id].values["kernel.stall_ns"] == 123456789


@pytest.mark.parametrize("debugfs", [True, False])
def test_a_sample_holds_the_kernels_numbers_beside_the_stock_ones(
    root: Path, debugfs: bool
) -> None:
    offer(root, NAME, "sys/class/bdi/7:0", FILES, debugfs)
    transport = opened(root)
    proxies = transport.discover(ReadaheadAdapter())
    tick = transport.sample(proxies)
    values = tick[NAME].values
    expected = {
        "kernel.progress_bytes": 4096000,
        "kernel.stall_ns": 123456789,
        "kernel.mode": 1,
        "kernel.mode_limit": 3,
        "kernel.lease_remaining_ms": 7000,
        "kernel.sequence": 5,
        "kernel.read_ahead_kb.recommended": 16,
        "kernel.read_ahead_kb.effective": 128,
        "kernel.trial.wins": 2,
        "kernel.trial.log_sum": -77,
    }
    assert {name: values[name] for name in expected} == expected
    assert "disk.read_ios" in values
    assert "vm.pgmajfault" in values
    assert "kernel.mode" not in tick["readahead.254:0"].values
    assert set(tick) == {proxy.id for proxy in proxies}


@pytest.mark.parametrize("debugfs", [True, False])
def test_in_emergency_nothing_is_counted_so_features_are_missing_not_zero(
    root: Path, debugfs: bool
) -> None:
    changes = {"mode_limit": "emergency", "mode": "emergency", "features/stall_ns": "0"}
    changes["read_ahead_kb/recommended"] = ""
    offer(root, NAME, "sys/class/bdi/7:0", FILES | changes, debugfs)
    transport = opened(root)
    values = transport.sample(transport.discover(ReadaheadAdapter()))[NAME].values
    assert "kernel.stall_ns" not in values
    assert "kernel.progress_bytes" not in values
    assert "kernel.read_ahead_kb.recommended" not in values
    assert values["kernel.mode_limit"] == 0


def test_a_snapshot_that_changes_is_read_anew_and_one_that_does_not_is_not(root: Path) -> None:
    offer(root, NAME, "sys/class/bdi/7:0", FILES, debugfs=True)
    transport = opened(root)
    assert isinstance(transport, KernelTransport)
    proxies = transport.discover(ReadaheadAdapter())
    transport.sample(proxies)
    device = transport._devices[NAME]
    first = transport._reader.numbers(device)
    transport.sample(proxies)
    assert transport._reader.numbers(device) is first
    text = (root / SNAPSHOT).read_text()
    (root / SNAPSHOT).write_text("new.1:1 id 40\n" + text.replace("sequence 5", "sequence 6"))
    assert transport.sample(proxies)[NAME].values["kernel.sequence"] == 6


@pytest.mark.parametrize("debugfs", [True, False])
def test_the_next_proxy_of_the_same_name_is_not_taken_for_the_first(
    root: Path, debugfs: bool
) -> None:
    folder = offer(root, NAME, "sys/class/bdi/7:0", FILES, debugfs)
    transport = opened(root)
    proxies = transport.discover(ReadaheadAdapter())
    assert NAME in transport.sample(proxies)
    (folder / "id").write_text("32\n")
    if debugfs:
        path = root / SNAPSHOT
        path.write_text(path.read_text().replace(f"{NAME} id 31", f"{NAME} id 32"))
    assert NAME not in transport.sample(proxies)
    transport.discover(ReadaheadAdapter())
    assert NAME in transport.sample(proxies)


def test_a_device_that_went_away_leaves_the_tick(root: Path) -> None:
    folder = offer(root, NAME, "sys/class/bdi/7:0", FILES)
    transport = opened(root)
    proxies = transport.discover(ReadaheadAdapter())
    shutil.rmtree(folder)
    tick = transport.sample(proxies)
    assert list(tick) == ["readahead.254:0"]
    with pytest.raises(KeyError):
        tick[NAME]


def test_the_kernels_range_is_what_it_takes_recommendations_from(root: Path) -> None:
    offer(root, NAME, "sys/class/bdi/7:0", FILES)
    transport = opened(root)
    found = {p.device: p for p in transport.discover(ReadaheadAdapter())}
    (knob,) = ReadaheadAdapter.knobs
    assert transport.kernel_range(found["loop0"], knob) == (4, 16384)
    assert transport.kernel_range(found["vda"], knob) == (0, None)
    assert transport.value(found["loop0"], knob) == 128


def test_the_identity_of_a_device_is_its_number(root: Path) -> None:
    folder = offer(root, NAME, "sys/class/bdi/7:0", FILES)
    tree = Tree(root)
    first = identify(tree, f"{CLASS}/{NAME}")
    assert first is not None
    assert (first.devno, first.diskseq) == ("7:0", "31")
    (folder / "id").write_text("32\n")
    second = identify(tree, f"{CLASS}/{NAME}")
    assert second is not None
    assert differs(first, second) == "diskseq 32, recorded was 31"
    shutil.rmtree(folder)
    assert identify(tree, f"{CLASS}/{NAME}") is None
    assert isinstance(first, Identity)


RECORDED = TREES.parent / "kernel/lab-random"


def test_a_tree_of_a_real_patched_kernel() -> None:
    """A bdi has two devices of the class there, a disk has one; each is its subsystem's."""
    tree = Tree(RECORDED)
    transport = open_transport(tree)
    (lab,) = transport.discover(ReadaheadAdapter())
    (disk,) = transport.discover(IoschedAdapter())
    assert (lab.device, lab.transport, lab.lease) == ("lab", "kernel", f"{CLASS}/{lab.id}")
    assert (disk.device, disk.transport) == ("lab", "stock")
    assert any("takes nothing for scheduler" in each for each in disk.lacks)
    first = transport.sample([lab, disk])[lab.id]
    assert tree.advance()
    tick = transport.sample([lab, disk])
    window = Window(first, tick[lab.id])
    assert (window.delta("kernel.stalls") or 0) > 100
    assert (window.delta("kernel.window_pages") or 0) > (window.delta("kernel.windows") or 0)
    assert "kernel.reads" not in tick[disk.id].values, "its mode_limit is emergency"
    reading = kernel_reading(tick[lab.id].values, ["read_ahead_kb"])
    assert reading is not None
    assert (reading.mode, reading.limit, reading.leased) == (
        Mode.LEARNING,
        Mode.RECOMMENDATION,
        True,
    )
    assert (reading.slot_s, reading.sequence, reading.pairs) == (0.25, 2, 5)
    assert (reading.recommended, reading.effective) == (
        {"read_ahead_kb": 16},
        {"read_ahead_kb": 128},
    )
    assert reading.costs.treated_ns == 1011783


def test_the_recorded_range_is_that_of_the_class(tmp_path: Path) -> None:
    transport = open_transport(Tree(RECORDED))
    (lab,) = transport.discover(ReadaheadAdapter())
    assert transport.kernel_range(lab, ReadaheadAdapter.knobs[0]) == (4, 16384)


def test_recording_takes_the_class_along(root: Path, tmp_path: Path) -> None:
    offer(root, NAME, "sys/class/bdi/7:0", FILES, debugfs=True)
    (root / CLASS / NAME / "commit").chmod(0o200)
    folder = tmp_path / "copy"
    assert record_tree(Tree(root), [ReadaheadAdapter()], folder, 1, 0.0) == 1
    found = {
        p.device: p.transport for p in open_transport(Tree(folder)).discover(ReadaheadAdapter())
    }
    assert found == {"loop0": "kernel", "vda": "stock"}
