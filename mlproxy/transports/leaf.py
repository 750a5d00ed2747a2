"""The one disk whose requests a stacked device turns into, where it is only one."""

from __future__ import annotations

from mlproxy.tree import Tree


def leaf_devno(tree: Tree, disk: str) -> str:
    """major:minor of the disk under `disk`; "" where several, or none, are below."""
    for _ in range(16):
        below = tree.names(f"sys/block/{disk}/slaves") if disk else []
        if not below:
            return (tree.read(f"sys/block/{disk}/dev") or "").strip() if disk else ""
        if len(below) > 1:
            return ""
        disk = _whole(tree, below[0])
    return ""


def _whole(tree: Tree, name: str) -> str:
    """The disk of a partition; a disk itself."""
    if tree.exists(f"sys/block/{name}"):
        return name
    place = (tree.link(f"sys/class/block/{name}") or "").split("/")
    return place[-2] if len(place) > 1 else ""
