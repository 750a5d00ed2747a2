"""Block devices as sysfs shows them: disks, partitions, dm, md, loop, and who holds whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlproxy.parse import Mount, parse_int
from mlproxy.tree import Tree

SERIAL_FILES = (
    "dm/uuid",
    "md/uuid",
    "loop/backing_file",
    "wwid",
    "device/wwid",
    "serial",
    "device/serial",
    "device/cid",
)
"""Where a device says which one it is, the first that it has counts."""


@dataclass(frozen=True)
class BlockDevice:
    """A disk or a partition.

    Args:
        name: the kernel's, e.g. "sda1".
        devno: "8:1".
        disk: name of the disk that it is a part of, its own for a disk.
        label: a device mapper's own name ("vg-root"), else "".
        partitions: names, for a disk.
        slaves, holders: names of the devices right below and above in the stack.
        backing: the file behind a loop device, else "".
        sectors: size in 512 bytes.
    """

    name: str
    devno: str
    disk: str
    label: str
    partitions: tuple[str, ...]
    slaves: tuple[str, ...]
    holders: tuple[str, ...]
    backing: str
    sectors: int

    @property
    def is_disk(self) -> bool:
        """False for a partition."""
        return self.name == self.disk

    @property
    def path(self) -> str:
        """Its folder, relative to the root."""
        return f"sys/block/{self.disk}" + ("" if self.is_disk else f"/{self.name}")

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of this very device."""
        own = (self.name, f"/dev/{self.name}")
        return (*own, self.label, f"/dev/mapper/{self.label}") if self.label else own


def scan_block_devices(tree: Tree) -> dict[str, BlockDevice]:
    """Every disk and partition by name. Left out are empty ones (an unused loop or md)
    and hidden ones (the paths of a multipath NVMe, which have no device number)."""
    disks = tree.names("sys/block")
    parts = _partitions(tree, set(disks))
    found: dict[str, BlockDevice] = {}
    for disk in disks:
        device = _device(tree, disk, disk, tuple(parts.get(disk, ())))
        if device is None:
            continue
        found[disk] = device
        for part in parts.get(disk, ()):
            partition = _device(tree, part, disk, ())
            if partition is not None:
                found[part] = partition
    return found


def serial_of(tree: Tree, device: BlockDevice) -> str:
    """What the device says of itself, "" where it says nothing."""
    texts = (tree.read(f"{device.path}/{name}") for name in SERIAL_FILES)
    return next((text.strip() for text in texts if text and text.strip()), "")


def device_of_source(source: str, devices: Mapping[str, BlockDevice]) -> BlockDevice | None:
    """The device that a mount's source names: /dev/sda2 or /dev/mapper/vg-root."""
    if not source.startswith("/dev/"):
        return None
    name = source.removeprefix("/dev/")
    if name in devices:
        return devices[name]
    label = name.removeprefix("mapper/")
    return next((device for device in devices.values() if device.label == label != ""), None)


def mount_of_file(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that a file lies on: the longest mount point, the last of equal ones."""
    best: Mount | None = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _partitions(tree: Tree, disks: set[str]) -> dict[str, list[str]]:
    """Partitions of each disk: /sys/class/block links to ../../devices/.../sda/sda1."""
    found: dict[str, list[str]] = {}
    for name in tree.names("sys/class/block"):
        link = None if name in disks else tree.link(f"sys/class/block/{name}")
        if link:
            found.setdefault(link.split("/")[-2], []).append(name)
    return found


def _device(tree: Tree, name: str, disk: str, partitions: tuple[str, ...]) -> BlockDevice | None:
    path = f"sys/block/{disk}" + ("" if name == disk else f"/{name}")
    sectors = parse_int(tree.read(f"{path}/size"))
    devno = (tree.read(f"{path}/dev") or "").strip()
    if not sectors or not devno:
        return None
    return BlockDevice(
        name=name,
        devno=devno,
        disk=disk,
        label=_label(tree, path, name),
        partitions=partitions,
        slaves=tuple(tree.names(f"{path}/slaves")),
        holders=tuple(tree.names(f"{path}/holders")),
        backing=_backing(tree, path, name),
        sectors=sectors,
    )


def _label(tree: Tree, path: str, name: str) -> str:
    return (tree.read(f"{path}/dm/name") or "").strip() if name.startswith("dm-") else ""


def _backing(tree: Tree, path: str, name: str) -> str:
    if not name.startswith("loop"):
        return ""
    return (tree.read(f"{path}/loop/backing_file") or "").strip()
