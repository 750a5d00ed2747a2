"""The right kernel object for each subject: which bdi or disk a person's device means.

The device a person names and the object that holds a knob differ: readahead belongs to
the bdi that the file system uses (of dm, md, LVM, crypt; anonymous for btrfs and NFS),
the I/O scheduler to the leaf disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlproxy.adapter import Subject
from mlproxy.anonymous import AnonymousBdi, scan_anonymous
from mlproxy.blockdev import (
    BlockDevice,
    device_of_source,
    mount_of_file,
    scan_block_devices,
    serial_of,
)
from mlproxy.parse import parse_mountinfo
from mlproxy.proxy import Identity
from mlproxy.tree import Tree


@dataclass(frozen=True)
class StackObject:
    """One kernel object that holds knobs, and what it stands on.

    Args:
        name: what the proxy's id ends with: a bdi's name ("8:0", "btrfs-1"), a disk's
            name, "host".
        device: what a person calls it.
        path: the object's folder, relative to the root ("" for the host).
        disk: name of the disk whose files describe it (rotational, debugfs), "" if none.
        counters: devnos of the /proc/diskstats lines that add up to its I/O.
        names: every name that selects it.
        anonymous: it belongs to a mount and goes when that goes.
    """

    name: str
    device: str
    path: str
    disk: str
    counters: tuple[str, ...]
    names: frozenset[str]
    identity: Identity
    anonymous: bool = False


class Stack:
    """The machine's block devices, mounts and bdis at one moment."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._boot_id = (tree.read("proc/sys/kernel/random/boot_id") or "").strip()
        self.devices = scan_block_devices(tree)
        self.mounts = parse_mountinfo(tree.read("proc/self/mountinfo") or "")
        self.anonymous = scan_anonymous(tree, self.mounts, self.devices)
        self._points: dict[str, list[str]] = {}
        for mount in self.mounts:
            self._points.setdefault(mount.devno, []).append(mount.point)
        self._pooled = {name for bdi in self.anonymous for name in bdi.members}

    def objects(self, subject: Subject) -> list[StackObject]:
        """Every object of a subject, sorted by device."""
        if subject == "host":
            return [self._host()]
        if subject == "disk":
            found = [self._disk(device) for device in self.leaves() if self._has_queue(device)]
        else:
            found = [self._bdi(disk) for disk in self._bdi_disks()]
            found += [self._anonymous(bdi) for bdi in self.anonymous]
        return sorted(found, key=lambda item: item.device)

    def leaves(self) -> list[BlockDevice]:
        """Disks that stand on no other block device."""
        return [device for device in self.devices.values() if device.is_disk and not device.slaves]

    def leaf_counters(self) -> tuple[str, ...]:
        """Devnos of the leaf disks, each byte of I/O counted once: without the loop
        devices whose file lies on a disk that counts it already."""
        return tuple(device.devno for device in self.leaves() if not self._counted_below(device))

    def top_counters(self) -> tuple[str, ...]:
        """Devnos of what is read by file systems and raw users, each byte counted once."""
        disks = (device for device in self.devices.values() if device.is_disk)
        tops = (part for disk in disks for part in self._free(disk))
        return tuple(part.devno for part in tops if not self._counted_below(part))

    def _host(self) -> StackObject:
        identity = Identity(self._boot_id, "host")
        return StackObject("host", "host", "", "", (), frozenset({"host"}), identity)

    def _disk(self, disk: BlockDevice) -> StackObject:
        names = {disk.devno, *self._own_names(disk), *self._points_above(disk)}
        identity = self._identity(disk)
        counters = (disk.devno,)
        return StackObject(
            disk.name, disk.name, disk.path, disk.name, counters, frozenset(names), identity
        )

    def _bdi(self, disk: BlockDevice) -> StackObject:
        free = self._free(disk)
        parts = self._parts(disk) if disk in free else free
        names = {disk.devno, *disk.names, *self._points_of(disk)}
        names.update(name for part in parts for name in part.names)
        names.update(name for device in self._below(disk) for name in device.names)
        return StackObject(
            name=disk.devno,
            device=disk.name,
            path=f"sys/class/bdi/{disk.devno}",
            disk=disk.name,
            counters=tuple(part.devno for part in free) or (disk.devno,),
            names=frozenset(names),
            identity=self._identity(disk),
        )

    def _anonymous(self, bdi: AnonymousBdi) -> StackObject:
        members = [self.devices[name] for name in bdi.members]
        names = {bdi.name, bdi.device, bdi.devno, bdi.source, *bdi.points, bdi.uuid} - {""}
        for member in members:
            below = (member, *self._below(member))
            names.update(name for device in below for name in device.names)
        return StackObject(
            name=bdi.name,
            device=bdi.device,
            path=f"sys/class/bdi/{bdi.name}",
            disk=members[0].disk if members else "",
            counters=tuple(member.devno for member in members),
            names=frozenset(names),
            identity=Identity(self._boot_id, bdi.devno, serial=bdi.uuid or bdi.source),
            anonymous=True,
        )

    def _identity(self, disk: BlockDevice) -> Identity:
        diskseq = (self._tree.read(f"{disk.path}/diskseq") or "").strip()
        return Identity(self._boot_id, disk.devno, diskseq, serial_of(self._tree, disk))

    def _has_queue(self, disk: BlockDevice) -> bool:
        return self._tree.exists(f"{disk.path}/queue")

    def _bdi_disks(self) -> list[BlockDevice]:
        disks = (device for device in self.devices.values() if device.is_disk)
        wanted = (disk for disk in disks if self._free(disk) or self._points_of(disk))
        return [disk for disk in wanted if self._tree.exists(f"sys/class/bdi/{disk.devno}")]

    def _free(self, disk: BlockDevice) -> list[BlockDevice]:
        """The parts of a disk that its own bdi serves: all of it, or, where something
        stands on it or on a part of it, the partitions that nothing stands on."""
        if self._held(disk):
            return []
        parts = self._parts(disk)
        free = [part for part in parts if not self._held(part)]
        return [disk] if len(free) == len(parts) else free

    def _held(self, device: BlockDevice) -> bool:
        # btrfs opens its devices without a link in holders/.
        return bool(device.holders) or device.name in self._pooled

    def _counted_below(self, device: BlockDevice) -> bool:
        mount = mount_of_file(device.backing, self.mounts) if device.backing else None
        if mount is None:
            return False
        known = {other.devno for other in self.devices.values()} - {device.devno}
        known |= {bdi.devno for bdi in self.anonymous if bdi.members}
        return mount.devno in known or device_of_source(mount.source, self.devices) is not None

    def _parts(self, disk: BlockDevice) -> list[BlockDevice]:
        return [self.devices[name] for name in disk.partitions if name in self.devices]

    def _own_names(self, disk: BlockDevice) -> set[str]:
        return {name for part in (disk, *self._parts(disk)) for name in part.names}

    def _below(self, device: BlockDevice) -> list[BlockDevice]:
        """What a device stands on, disks of partitions included."""

        def under(item: BlockDevice) -> Iterable[str]:
            return item.slaves if item.is_disk else (item.disk,)

        return self._closure(device, under)

    def _above(self, disk: BlockDevice) -> list[BlockDevice]:
        """A disk's partitions, and everything that stands on it or on them."""
        return self._closure(disk, lambda item: (*item.partitions, *item.holders))

    def _closure(
        self, start: BlockDevice, following: Callable[[BlockDevice], Iterable[str]]
    ) -> list[BlockDevice]:
        found: dict[str, BlockDevice] = {}
        todo = [start]
        while todo:
            names = [name for name in following(todo.pop()) if name in self.devices]
            new = [self.devices[name] for name in names if name not in found]
            found |= {device.name: device for device in new}
            todo += new
        return list(found.values())

    def _points_of(self, disk: BlockDevice) -> set[str]:
        parts = (disk, *self._parts(disk))
        return {point for part in parts for point in self._points.get(part.devno, ())}

    def _points_above(self, disk: BlockDevice) -> set[str]:
        family = (disk, *self._above(disk))
        members = {device.name for device in family}
        points = {point for part in family for point in self._points.get(part.devno, ())}
        pools = (bdi for bdi in self.anonymous if members.intersection(bdi.members))
        return points.union(*(bdi.points for bdi in pools))
