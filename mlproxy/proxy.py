"""A proxy: one tunable object of one subsystem, and which device it really is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Identity:
    """What must be equal for a record to be about this very object (promise 2).

    `boot_id` is /proc/sys/kernel/random/boot_id; `diskseq` is the kernel's never-reused
    number of a disk (block/genhd.c, since 5.14); `serial` is what the device says of
    itself (serial, wwid, dm uuid, a loop's backing file), "" where it says nothing.
    """

    boot_id: str
    devno: str
    diskseq: str = ""
    serial: str = ""

    def as_dict(self) -> dict[str, str]:
        """Plain form for the journal."""
        return asdict(self)


@dataclass(frozen=True)
class Proxy:
    """One tunable object as a transport found it.

    Args:
        id: `<subsystem>.<devno or device>`, e.g. "readahead.7:0"; stable within a boot.
        subsystem: the adapter's name.
        device: what a person calls it: "sda", "dm-0", "btrfs:/home", "host".
        object_path: the object's directory, relative to the root: "sys/class/bdi/7:0".
        knobs: path of each knob's file relative to the root; only knobs this object has.
        names: every name that selects it: its own, its partitions', its mounts', those of
            the devices below it in the stack.
        facts: what does not change while it runs, as numbers: rotational, size_mb ...
        lacks: what cannot be had here, in words for people.
        lease: folder of its device in class ml_proxy, where a patched kernel takes
            recommendations under a lease; "" where its knobs are written themselves.
    """

    id: str
    subsystem: str
    device: str
    transport: str
    object_path: str
    identity: Identity
    knobs: Mapping[str, str]
    names: frozenset[str] = frozenset()
    facts: Mapping[str, float] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    lease: str = ""
