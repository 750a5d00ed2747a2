"""Bdis that belong to no block device: btrfs, NFS, FUSE and other file systems' own.

Their names in /sys/class/bdi come in two forms: "0:53" or "8:1-fuseblk" (NFS, FUSE:
super_setup_bdi_name with the device number) and "btrfs-1" (super_setup_bdi in
fs/super.c: the type and a running number, which no mount mentions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlproxy.blockdev import BlockDevice, device_of_source
from mlproxy.parse import Mount
from mlproxy.tree import Tree

BY_DEVNO = re.compile(r"(\d+:\d+)(-.+)?")
BY_TYPE = re.compile(r"(.+)-\d+")


@dataclass(frozen=True)
class AnonymousBdi:
    """A mounted file system's own bdi.

    Args:
        name: in /sys/class/bdi.
        device: "<type>:<first mount point>", what a person calls it.
        devno: st_dev of the mount, "0:39".
        source: what was mounted: "server:/export", "/dev/sda2".
        points: its mount points.
        uuid: of a btrfs, else "".
        members: names of the block devices that hold it, where that is known.
    """

    name: str
    device: str
    devno: str
    source: str
    points: tuple[str, ...]
    uuid: str
    members: tuple[str, ...]


def scan_anonymous(
    tree: Tree, mounts: list[Mount], devices: Mapping[str, BlockDevice]
) -> list[AnonymousBdi]:
    """Every anonymous bdi that a mount of ours uses, by name.

    One whose mount cannot be told apart (two mounts of a type that numbers its bdis, no
    /sys/fs entry) is left out: a knob is never turned for the wrong file system.
    """
    block = {device.devno for device in devices.values() if device.is_disk}
    names = [name for name in tree.names("sys/class/bdi") if name not in block]
    if not names:
        return []
    pools = _btrfs_pools(tree)
    found = []
    for name in names:
        uuid, members = pools.get(name, ("", ()))
        same = _mounts_of(name, members, mounts, names)
        if same:
            known = tuple(member for member in members if member in devices)
            found.append(_bdi(name, uuid, known or _named_by(same[0], devices), same))
    return found


def _bdi(name: str, uuid: str, members: tuple[str, ...], mounts: list[Mount]) -> AnonymousBdi:
    first = mounts[0]
    points = tuple(mount.point for mount in mounts)
    device = f"{first.fstype}:{first.point}"
    return AnonymousBdi(name, device, first.devno, first.source, points, uuid, members)


def _btrfs_pools(tree: Tree) -> dict[str, tuple[str, tuple[str, ...]]]:
    """uuid and member devices by bdi: /sys/fs/btrfs/<uuid>/{bdi,devices} (fs/btrfs/sysfs.c)."""
    found = {}
    for uuid in tree.names("sys/fs/btrfs"):
        bdi = tree.link(f"sys/fs/btrfs/{uuid}/bdi")
        if bdi:
            members = tuple(tree.names(f"sys/fs/btrfs/{uuid}/devices"))
            found[bdi.rpartition("/")[2]] = (uuid, members)
    return found


def _mounts_of(
    name: str, members: tuple[str, ...], mounts: list[Mount], names: list[str]
) -> list[Mount]:
    if members:
        sources = {f"/dev/{member}" for member in members}
        devnos = {mount.devno for mount in mounts if mount.source in sources}
        by_source = [mount for mount in mounts if mount.devno in devnos]
        if by_source:
            return [mount for mount in by_source if mount.fstype == "btrfs"]
    by_devno = BY_DEVNO.fullmatch(name)
    if by_devno:
        return [mount for mount in mounts if mount.devno == by_devno[1]]
    return _only_mount_of_type(name, mounts, names)


def _only_mount_of_type(name: str, mounts: list[Mount], names: list[str]) -> list[Mount]:
    by_type = BY_TYPE.fullmatch(name)
    if by_type is None:
        return []
    rivals = [other for other in names if (m := BY_TYPE.fullmatch(other)) and m[1] == by_type[1]]
    same = [mount for mount in mounts if mount.fstype == by_type[1]]
    return same if len(rivals) == 1 and len({mount.devno for mount in same}) == 1 else []


def _named_by(mount: Mount, devices: Mapping[str, BlockDevice]) -> tuple[str, ...]:
    device = device_of_source(mount.source, devices)
    return (device.name,) if device else ()
