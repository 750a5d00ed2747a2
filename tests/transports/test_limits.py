"""What the kernel allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.transports.limits import kernel_range
from mlproxy.tree import Tree


def queue(root: Path, scheduler: str, **tags: str) -> Tree:
    (root / "sys/block/sda/queue").mkdir(parents=True)
    (root / "sys/block/sda/queue/scheduler").write_text(scheduler)
    for name, depth in tags.items():
        (root / "sys/block/sda/mq" / name).mkdir(parents=True)
        (root / "sys/block/sda/mq" / name / "nr_tags").write_text(depth)
    return Tree(root)


@pytest.mark.parametrize(
    ("scheduler", "tags", "most"),
    [
        ("[none] mq-deadline\n", {"h0": "128\n", "h1": "64\n"}, 64),
        ("[none] mq-deadline\n", {}, None),
        ("none [mq-deadline]\n", {"h0": "32\n"}, 2048),
        ("none\n", {"h0": "32\n"}, 32),
    ],
)
def test_depth(tmp_path: Path, scheduler: str, tags: dict[str, str], most: int | None) -> None:
    tree = queue(tmp_path, scheduler, **tags)
    assert kernel_range(tree, "sys/block/sda/queue/nr_requests") == (4, most)


def test_a_request_is_at_most_what_the_hardware_takes(tmp_path: Path) -> None:
    tree = queue(tmp_path, "none\n")
    (tmp_path / "sys/block/sda/queue/max_hw_sectors_kb").write_text("1280\n")
    assert kernel_range(tree, "sys/block/sda/queue/max_sectors_kb") == (4, 1280)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sys/class/bdi/8:0/read_ahead_kb", (0, None)),
        ("sys/class/bdi/8:0/max_ratio", (0, 100)),
        ("proc/sys/vm/dirty_ratio", (0, 100)),
        ("sys/block/sda/queue/something", (None, None)),
    ],
)
def test_fixed_ranges(tmp_path: Path, path: str, expected: tuple[int | None, int | None]) -> None:
    assert kernel_range(Tree(tmp_path), path) == expected
