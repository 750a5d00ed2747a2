"""The stock transport over recorded trees, for adapters it has never seen."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from mlproxy.adapter import Adapter, Missing, Subject
from mlproxy.features import FeatureSchema, feature
from mlproxy.knob import Effect, Knob, Setting, Value
from mlproxy.objective import Objective
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Window
from mlproxy.transports.base import Transport
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree

TREES = Path(__file__).parents[1] / "fixtures/trees"


def knob(name: str, path: str, choices: tuple[str, ...] = ()) -> Knob:
    return Knob(
        name=name,
        path=path,
        unit="",
        what="",
        grid=choices or (1, 2),
        effect=Effect.AT_ONCE,
        cost="",
        settle_s=0.0,
        choices=choices,
    )


class Schema(FeatureSchema):
    reads: float = feature("1", "/proc/diskstats", "reads")


class BdiAdapter(Adapter):
    name = "window"
    version = "1"
    subject: ClassVar[Subject] = "bdi"
    knobs: ClassVar[tuple[Knob, ...]] = (
        knob("read_ahead_kb", "read_ahead_kb"),
        knob("max_ratio", "max_ratio"),
    )
    schema = Schema
    objective = Objective("reads", "1/s", "reads")
    facts: ClassVar[dict[str, str]] = {"rotational": "queue/rotational", "size": "size", "no": "no"}

    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        raise Missing("nothing")

    def idle(self, window: Window) -> str | None:
        return None

    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        return ""


class DiskAdapter(BdiAdapter):
    name = "queue"
    subject: ClassVar[Subject] = "disk"
    knobs: ClassVar[tuple[Knob, ...]] = (
        knob("scheduler", "queue/scheduler", ("none", "mq-deadline")),
        knob("nr_requests", "queue/nr_requests"),
        knob("bogus", "queue/bogus"),
    )


class HostAdapter(BdiAdapter):
    name = "vm"
    subject: ClassVar[Subject] = "host"
    knobs: ClassVar[tuple[Knob, ...]] = (knob("boot_id", "proc/sys/kernel/random/boot_id", ("a",)),)
    facts: ClassVar[dict[str, str]] = {}


def observe(
    name: str, adapter: Adapter
) -> tuple[StockTransport, dict[str, Proxy], dict[str, Window]]:
    """First to last snapshot of a tree."""
    tree = Tree(TREES / name)
    transport = StockTransport(tree)
    proxies = transport.discover(adapter)
    before = dict(transport.sample(proxies))
    while tree.advance():
        after = transport.sample(proxies)
    windows = {key: Window(sample, after[key]) for key, sample in before.items() if key in after}
    return transport, {proxy.device: proxy for proxy in proxies}, windows


def test_it_is_a_transport() -> None:
    transport: Transport = StockTransport(Tree(TREES / "nothing"))
    assert transport.name == "stock"
    assert transport.discover(BdiAdapter()) == []
    assert dict(transport.sample([])) == {}


def test_a_proxy_says_what_it_is() -> None:
    _, proxies, _ = observe("lvm-crypt", BdiAdapter())
    root = proxies["dm-1"]
    assert root.id == "window.252:1"
    assert root.knobs == {"read_ahead_kb": "sys/class/bdi/252:1/read_ahead_kb"}
    assert root.facts == {"rotational": 0.0, "size": 209715200.0}
    assert root.lacks == ("no such knob here: max_ratio",)
    assert {"window.252:1", "vg0-root", "/"} <= root.names
    assert root.identity.boot_id == "9f8e7d6c-5b4a-4392-8180-7f6e5d4c3b2a"


def test_counters_of_a_device_mapper() -> None:
    _, _, windows = observe("lvm-crypt", BdiAdapter())
    window = windows["window.252:1"]
    assert window.elapsed_s == pytest.approx(2.0, abs=0.01)
    assert window.delta("disk.read_ios") == 1920
    assert window.delta("disk.read_sectors") == 2 * 245760
    assert window.delta("vm.pgmajfault") == 4
    assert window.delta("psi.io.some_us") == 804226
    assert window.gauge("disk.in_flight") == 0
    assert window.delta("disk.nonsense") is None


def test_the_partition_beside_the_lvm_is_idle() -> None:
    transport, _, windows = observe("lvm-crypt", BdiAdapter())
    assert windows["window.8:0"].delta("disk.read_ios") == 0
    assert not transport.changed("window.8:0")
    assert transport.changed("window.252:1")


def test_random_mmap_is_seen_as_major_faults() -> None:
    _, _, windows = observe("loop-random", BdiAdapter())
    window = windows["window.7:0"]
    reads = window.delta("disk.read_ios")
    faults = window.delta("vm.pgmajfault")
    assert reads
    assert faults
    assert faults / reads == pytest.approx(1.0, abs=0.02)
    # The loop disk's reads are those of the disk below: the host counts them once.
    assert window.delta("host.read_ios") == pytest.approx(reads, rel=0.01)


def test_btrfs_counts_the_devices_it_stands_on() -> None:
    _, proxies, windows = observe("btrfs-sequential", BdiAdapter())
    pool = proxies["btrfs:/mnt/data"]
    assert (windows[pool.id].delta("disk.read_ios") or 0) > 100
    assert pool.facts["rotational"] == 1.0


def test_host_totals_of_a_disk_are_those_of_all_leaves() -> None:
    _, _, windows = observe("nvme-md", DiskAdapter())
    first, second = windows["queue.nvme0n1"], windows["queue.nvme1n1"]
    reads = [window.delta("disk.read_ios") or 0 for window in (first, second)]
    assert first.delta("host.read_ios") == sum(reads) == 36300
    assert first.gauge("disk.write_inflight") == 1
    _, _, windows = observe("lvm-crypt", DiskAdapter())
    assert windows["queue.sda"].delta("host.write_ios") == 24


def test_host_totals_of_a_bdi_are_those_of_the_tops() -> None:
    _, _, windows = observe("nvme-md", BdiAdapter())
    window = windows["window.9:127"]
    assert window.delta("host.read_ios") == window.delta("disk.read_ios")


def test_scheduler_and_depth() -> None:
    transport, proxies, _ = observe("nvme-md", DiskAdapter())
    scheduler, requests, bogus = DiskAdapter.knobs
    proxy = proxies["nvme0n1"]
    assert transport.value(proxy, scheduler) == "none"
    assert transport.kernel_choices(proxy, scheduler) == ("none", "mq-deadline", "kyber")
    assert transport.kernel_range(proxy, scheduler) == (None, None)
    assert transport.value(proxy, requests) == 1023
    assert transport.kernel_range(proxy, requests) == (4, 1023)
    assert transport.kernel_choices(proxy, requests) == ()
    assert transport.value(proxy, bogus) is None
    assert proxy.lacks == (
        "no such knob here: bogus",
        "debugfs cannot be read: the depth in force cannot be checked",
    )


def test_debugfs_is_read_where_it_is() -> None:
    transport, proxies, _ = observe("loop-random", DiskAdapter())
    files = transport.files(proxies["vda"])
    assert "depth=256" in (files.debug("hctx0/sched_tags") or "")
    assert files.debug("hctx9/tags") is None
    assert files.read("queue/nr_requests") == "256"
    assert proxies["vda"].lacks == ("no such knob here: bogus",)


def test_files_of_a_bdi_include_those_of_its_disk() -> None:
    transport, proxies, _ = observe("loop-random", BdiAdapter())
    files = transport.files(proxies["loop0"])
    assert files.read("read_ahead_kb") == "128"
    assert files.read("queue/scheduler") == "[none] mq-deadline kyber bfq"
    assert files.read("nothing") is None


def test_a_host_without_devices_or_psi() -> None:
    transport, proxies, windows = observe("nothing", HostAdapter())
    assert proxies["host"].lacks == ("no /proc/pressure: stall times are not known",)
    window = windows["vm.host"]
    assert window.delta("vm.pgmajfault") == 0
    assert window.delta("host.read_ios") is None
    assert window.delta("psi.io.some_us") is None
    assert transport.files(proxies["host"]).debug("hctx0/tags") is None


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """One snapshot of the nvme machine, as a plain folder that a test may change."""
    root = tmp_path / "machine"
    shutil.copytree(TREES / "nvme-md/000", root, symlinks=True)
    return root


def replace(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


def test_an_unchanged_device_is_not_parsed_again(machine: Path) -> None:
    transport = StockTransport(Tree(machine))
    proxies = transport.discover(BdiAdapter())
    transport.sample(proxies)
    assert transport.changed("window.9:127")
    transport.sample(proxies)
    assert not transport.changed("window.9:127")
    replace(machine, "proc/diskstats", "md127 8790011", "md127 8790012")
    transport.sample(proxies)
    assert transport.changed("window.9:127")
    assert not transport.changed("window.259:0")


def test_a_sample_does_not_change_after_the_next_tick(machine: Path) -> None:
    transport = StockTransport(Tree(machine))
    proxies = transport.discover(BdiAdapter())
    before = transport.sample(proxies)
    replace(machine, "proc/diskstats", "md127 8790011", "md127 8790012")
    after = transport.sample(proxies)
    assert before["window.9:127"].values["disk.read_ios"] == 8790011
    assert after["window.9:127"].values["disk.read_ios"] == 8790012


def test_a_device_that_went_away_is_left_out(machine: Path) -> None:
    transport = StockTransport(Tree(machine))
    proxies = transport.discover(BdiAdapter())
    before = transport.sample(proxies)["window.259:0"]
    lines = (machine / "proc/diskstats").read_text().splitlines(keepends=True)
    (machine / "proc/diskstats").write_text("".join(x for x in lines if "md127" not in x))
    after = transport.sample(proxies)
    assert "window.9:127" not in after
    assert Window(before, after["window.259:0"]).delta("host.read_ios") is None


def test_counters_that_stand_still_by_choice_are_told(machine: Path) -> None:
    (machine / "sys/block/md127/queue/iostats").write_text("0\n")
    proxies = StockTransport(Tree(machine)).discover(BdiAdapter())
    lacks = {proxy.device: proxy.lacks for proxy in proxies}
    assert "queue/iostats is 0: its disk counters stand still" in lacks["md127"]


def test_an_older_kernel_has_no_flush_counters(machine: Path) -> None:
    lines = (machine / "proc/diskstats").read_text().splitlines()
    short = (" ".join(line.split()[:18]) for line in lines)
    (machine / "proc/diskstats").write_text("\n".join(short) + "\n")
    transport = StockTransport(Tree(machine))
    values = transport.sample(transport.discover(BdiAdapter()))["window.9:127"].values
    assert "disk.discard_ios" in values
    assert "disk.flush_ios" not in values
    assert set(values) == set(dict(values))
    assert len(values) == len(dict(values))


def test_a_mount_that_went_away_takes_its_proxy_along(tmp_path: Path) -> None:
    shutil.copytree(TREES / "btrfs-sequential/000", tmp_path / "m", symlinks=True)
    transport = StockTransport(Tree(tmp_path / "m"))
    proxies = transport.discover(BdiAdapter())
    [pool] = [proxy for proxy in proxies if proxy.device == "btrfs:/mnt/data"]
    assert pool.id in transport.sample(proxies)
    (tmp_path / "m" / pool.object_path).unlink()
    assert pool.id not in transport.sample(proxies)
