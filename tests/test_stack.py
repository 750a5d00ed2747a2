"""Which kernel object each subject means, on recorded and on small made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.stack import Stack, StackObject
from mlproxy.tree import Tree

TREES = Path(__file__).parent / "fixtures/trees"
SIZES = {"loop0": "0", "zram0": "8"}


def stack(name: str) -> Stack:
    return Stack(Tree(TREES / name))


def bdis(found: Stack) -> dict[str, StackObject]:
    return {item.device: item for item in found.objects("bdi")}


def machine(root: Path, disks: dict[str, str], mounts: str = "") -> Stack:
    """Disks and partitions by path below /sys/block, with their device numbers."""
    for path, devno in disks.items():
        folder = root / "sys/block" / path
        name = folder.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dev").write_text(f"{devno}\n")
        (folder / "size").write_text(f"{SIZES.get(name, '2048')}\n")
        (root / "sys/class/block").mkdir(parents=True, exist_ok=True)
        (root / "sys/class/block" / name).symlink_to(f"/sys/block/{path}")
        if "/" not in path:
            (folder / "queue").mkdir()
            (root / "sys/class/bdi" / devno).mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mounts)
    return Stack(Tree(root))


def hold(root: Path, lower: str, upper: str) -> None:
    """What sysfs shows when `upper` stands on `lower`."""
    (root / f"sys/block/{lower}/holders/{upper}").mkdir(parents=True)
    (root / f"sys/block/{upper}/slaves/{lower.rpartition('/')[2]}").mkdir(parents=True)


def test_readahead_of_lvm_on_crypt_belongs_to_the_top() -> None:
    found = bdis(stack("lvm-crypt"))
    assert sorted(found) == ["dm-1", "sda"]
    root = found["dm-1"]
    assert root.path == "sys/class/bdi/252:1"
    assert root.counters == ("252:1",)
    assert {"dm-1", "vg0-root", "/dev/mapper/vg0-root", "/", "sda2_crypt", "sda2"} <= root.names
    assert root.identity.serial.startswith("LVM-")


def test_a_bdi_that_serves_one_partition_counts_that_partition_only() -> None:
    disk = bdis(stack("lvm-crypt"))["sda"]
    assert disk.counters == ("8:1",)
    assert {"sda", "sda1", "/boot"} <= disk.names
    assert not {"sda2", "/"} & disk.names


def test_the_scheduler_belongs_to_the_leaf_disk() -> None:
    [disk] = stack("lvm-crypt").objects("disk")
    assert (disk.device, disk.path, disk.counters) == ("sda", "sys/block/sda", ("8:0",))
    assert {"/", "/boot", "sda2"} <= disk.names
    assert disk.identity.diskseq == "1"


def test_raid_over_two_disks() -> None:
    found = stack("nvme-md")
    assert [item.device for item in found.objects("disk")] == ["nvme0n1", "nvme1n1"]
    array = bdis(found)["md127"]
    assert array.identity.serial == "5e6f7081-92a3-b4c5-d6e7-f8091a2b3c4d"
    assert {"nvme0n1", "nvme1n1p2", "/"} <= array.names
    assert bdis(found)["nvme1n1"].counters == ("259:4",)


def test_every_byte_is_counted_once_per_level() -> None:
    assert sorted(stack("lvm-crypt").top_counters()) == ["252:1", "8:1"]
    assert stack("lvm-crypt").leaf_counters() == ("8:0",)
    assert sorted(stack("nvme-md").top_counters()) == ["259:1", "259:4", "9:127"]


def test_a_loop_over_a_file_of_a_counted_disk_is_not_counted_again() -> None:
    assert stack("loop-random").top_counters() == ("254:0",)
    assert stack("loop-random").leaf_counters() == ("254:0",)


def test_btrfs_has_a_bdi_of_its_own() -> None:
    found = bdis(stack("btrfs-sequential"))
    assert sorted(found) == ["btrfs:/mnt/data", "vda"]
    pool = found["btrfs:/mnt/data"]
    assert pool.name.startswith("btrfs-")
    assert pool.counters == ("7:0",)
    assert pool.disk == "loop0"
    assert pool.identity.devno == "0:39"
    assert pool.identity.serial in pool.names
    assert {"loop0", "/mnt/data"} <= pool.names


def test_nothing_to_tune() -> None:
    found = stack("nothing")
    assert found.objects("bdi") == []
    assert found.objects("disk") == []
    assert [item.device for item in found.objects("host")] == ["host"]
    assert found.top_counters() == ()


def test_a_machine_without_sysfs(tmp_path: Path) -> None:
    assert Stack(Tree(tmp_path)).objects("bdi") == []


def test_empty_devices_are_skipped_and_zram_is_found(tmp_path: Path) -> None:
    found = machine(tmp_path, {"loop0": "7:0", "zram0": "253:0", "sda": "8:0"})
    assert [item.device for item in found.objects("bdi")] == ["sda", "zram0"]
    assert [item.device for item in found.objects("disk")] == ["sda", "zram0"]


def test_a_hidden_path_of_a_multipath_disk_is_no_device(tmp_path: Path) -> None:
    machine(tmp_path, {"nvme0n1": "259:0", "nvme0c0n1": "259:1"})
    (tmp_path / "sys/block/nvme0c0n1/dev").unlink()
    found = Stack(Tree(tmp_path))
    assert [item.device for item in found.objects("disk")] == ["nvme0n1"]


def test_a_disk_that_is_wholly_held_has_no_bdi_of_interest(tmp_path: Path) -> None:
    machine(tmp_path, {"sda": "8:0", "dm-0": "252:0"})
    hold(tmp_path, "sda", "dm-0")
    found = Stack(Tree(tmp_path))
    assert [item.device for item in found.objects("bdi")] == ["dm-0"]
    assert [item.device for item in found.objects("disk")] == ["sda"]
    assert found.top_counters() == ("252:0",)


def test_partitions_all_free_are_counted_as_the_disk(tmp_path: Path) -> None:
    found = machine(tmp_path, {"sda": "8:0", "sda/sda1": "8:1", "sda/sda2": "8:2"})
    [disk] = found.objects("bdi")
    assert disk.counters == ("8:0",)
    assert {"sda1", "/dev/sda2", "8:0"} <= disk.names


@pytest.mark.parametrize(
    ("bdi", "mount", "device"),
    [
        ("0:53", "40 1 0:53 / /srv rw - nfs4 server:/export rw", "nfs4:/srv"),
        ("0:40-fuse", "40 1 0:40 / /mnt/f rw - fuse.sshfs host: rw", "fuse.sshfs:/mnt/f"),
        ("8:1-fuseblk", "40 1 8:1 / /win rw - fuseblk /dev/sda1 rw", "fuseblk:/win"),
        ("9p-1", "40 1 0:41 / /host rw - 9p share rw", "9p:/host"),
    ],
)
def test_anonymous_bdis_are_found_by_their_mount(
    tmp_path: Path, bdi: str, mount: str, device: str
) -> None:
    (tmp_path / "sys/class/bdi" / bdi).mkdir(parents=True)
    found = bdis(machine(tmp_path, {}, mount))
    assert list(found) == [device]
    assert found[device].path == f"sys/class/bdi/{bdi}"
    assert found[device].anonymous


def test_anonymous_bdis_that_cannot_be_told_apart_are_left_out(tmp_path: Path) -> None:
    for bdi in ("9p-1", "9p-2", "0:99"):
        (tmp_path / "sys/class/bdi" / bdi).mkdir(parents=True)
    mounts = "40 1 0:41 / /a rw - 9p one rw\n41 1 0:42 / /b rw - 9p two rw\n"
    assert machine(tmp_path, {}, mounts).objects("bdi") == []


def test_a_mount_of_another_namespace_may_own_the_bdi(tmp_path: Path) -> None:
    for bdi in ("9p-1", "9p-2"):
        (tmp_path / "sys/class/bdi" / bdi).mkdir(parents=True)
    assert machine(tmp_path, {}, "40 1 0:41 / /a rw - 9p one rw").objects("bdi") == []


def test_the_disk_below_a_btrfs_is_not_read_by_itself(tmp_path: Path) -> None:
    pool = tmp_path / "sys/fs/btrfs/0e95b568-aaaa"
    for part in ("sda1", "sdb1"):
        (pool / "devices" / part).mkdir(parents=True)
    (tmp_path / "sys/class/bdi/btrfs-1").mkdir(parents=True)
    (pool / "bdi").symlink_to("/sys/class/bdi/btrfs-1")
    mounts = "40 1 0:39 / /data rw - btrfs /dev/sdb1 rw\n41 1 0:39 /s /snap rw - btrfs /dev/sdb1 rw"
    disks = {"sda": "8:0", "sda/sda1": "8:1", "sdb": "8:16", "sdb/sdb1": "8:17"}
    found = bdis(machine(tmp_path, disks, mounts))
    assert list(found) == ["btrfs:/data"]
    assert found["btrfs:/data"].counters == ("8:1", "8:17")
    assert {"/snap", "sda", "sdb1"} <= found["btrfs:/data"].names
