"""Which device an object is now, to compare with a record of it (promise 2)."""

from __future__ import annotations

from mlproxy.blockdev import SERIAL_FILES
from mlproxy.proxy import Identity
from mlproxy.stack import Stack
from mlproxy.transports.ml_class import CLASS, class_number
from mlproxy.tree import Tree

BOOT_ID = "proc/sys/kernel/random/boot_id"
UNKNOWN = ""


def boot_id(tree: Tree) -> str:
    """This boot's own random name; "" where the tree does not hold it."""
    return (tree.read(BOOT_ID) or UNKNOWN).strip()


def identify(tree: Tree, object_path: str) -> Identity | None:
    """Identity of the object at a path, read without any adapter; None: it is gone."""
    boot = boot_id(tree)
    if not object_path:
        return Identity(boot, "host")
    if not tree.exists(object_path):
        return None
    if object_path.startswith(f"{CLASS}/"):
        return _class_device(tree, boot, object_path)
    disk = _disk_folder(tree, object_path)
    if not tree.exists(f"{disk}/dev"):
        return _anonymous(tree, object_path) or Identity(boot, UNKNOWN)
    serials = (_text(tree, f"{disk}/{name}") for name in SERIAL_FILES)
    serial = next((text for text in serials if text), UNKNOWN)
    return Identity(boot, _text(tree, f"{disk}/dev"), _text(tree, f"{disk}/diskseq"), serial)


def differs(recorded: Identity, now: Identity) -> str | None:
    """What tells that these are two devices, in words; None when nothing does.

    diskseq decides where both have it: the kernel never uses a number twice, while a
    serial may change its text (a loop device's backing file that was deleted).
    """
    if recorded.devno != now.devno:
        return f"device number {now.devno}, recorded was {recorded.devno}"
    if recorded.diskseq and now.diskseq:
        same = recorded.diskseq == now.diskseq
        return None if same else f"diskseq {now.diskseq}, recorded was {recorded.diskseq}"
    if recorded.serial != now.serial:
        return f"serial {now.serial!r}, recorded was {recorded.serial!r}"
    return None


def _class_device(tree: Tree, boot: str, object_path: str) -> Identity:
    """Of a device in class ml_proxy: its number is, like diskseq, never used again."""
    device = object_path.rpartition("/")[2].partition(".")[2]
    return Identity(boot, device, class_number(tree, object_path) or UNKNOWN)


def _disk_folder(tree: Tree, object_path: str) -> str:
    folder, _, name = object_path.rpartition("/")
    return f"sys/dev/block/{name}" if folder.endswith("class/bdi") else object_path


def _anonymous(tree: Tree, object_path: str) -> Identity | None:
    found = (item for item in Stack(tree).objects("bdi") if item.path == object_path)
    return next((item.identity for item in found), None)


def _text(tree: Tree, path: str) -> str:
    return (tree.read(path) or UNKNOWN).strip()
