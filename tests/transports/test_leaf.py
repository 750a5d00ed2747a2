"""The one disk under a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.transports.leaf import leaf_devno
from mlproxy.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """dm-0 on sda2, dm-1 on dm-0, md0 on sda and sdb, dm-9 on itself."""
    disks = {"sda": "8:0", "sdb": "8:16", "dm-0": "253:0", "dm-1": "253:1", "md0": "9:0"}
    for name, devno in {**disks, "dm-9": "253:9"}.items():
        (tmp_path / "sys/block" / name / "slaves").mkdir(parents=True)
        (tmp_path / "sys/block" / name / "dev").write_text(f"{devno}\n")
    (tmp_path / "sys/block/sda/sda2").mkdir()
    (tmp_path / "sys/class/block").mkdir(parents=True)
    (tmp_path / "sys/class/block/sda2").symlink_to("../../block/sda/sda2")
    below = {"dm-0": ["sda2"], "dm-1": ["dm-0"], "md0": ["sda", "sdb"], "dm-9": ["dm-9"]}
    for name, slaves in below.items():
        for slave in slaves:
            (tmp_path / "sys/block" / name / "slaves" / slave).mkdir()
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("disk", "devno"),
    [
        ("sda", "8:0"),
        ("dm-0", "8:0"),
        ("dm-1", "8:0"),
        ("md0", ""),
        ("", ""),
        ("absent", ""),
        ("dm-9", ""),
    ],
)
def test_the_leaf_of_a_stack(tree: Tree, disk: str, devno: str) -> None:
    assert leaf_devno(tree, disk) == devno


def test_a_slave_that_leads_nowhere_has_no_leaf(tree: Tree) -> None:
    (tree.root / "sys/block/dm-1/slaves/dm-0").rmdir()
    (tree.root / "sys/block/dm-1/slaves/gone").mkdir()
    assert leaf_devno(tree, "dm-1") == ""
