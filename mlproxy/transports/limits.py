"""What the kernel itself allows a knob to hold, where it says so."""

from __future__ import annotations

from mlproxy.parse import parse_choice, parse_int
from mlproxy.tree import Tree

Range = tuple[int | None, int | None]

UNKNOWN: Range = (None, None)
SCHEDULED_REQUESTS = 2048
"""MAX_SCHED_RQ, block/blk-mq-sched.h."""

FIXED: dict[str, Range] = {
    # block/blk-sysfs.c
    "nomerges": (0, 2),
    "rq_affinity": (0, 2),
    "wbt_lat_usec": (-1, None),
    # mm/backing-dev.c
    "read_ahead_kb": (0, None),
    "min_ratio": (0, 100),
    "max_ratio": (0, 100),
    "min_ratio_fine": (0, 1_000_000),
    "max_ratio_fine": (0, 1_000_000),
    "min_bytes": (0, None),
    "max_bytes": (0, None),
    "strict_limit": (0, 1),
    # block/mq-deadline.c
    "async_depth": (1, 2**31 - 1),
    # mm/page-writeback.c, kernel/sysctl.c
    "dirty_ratio": (0, 100),
    "dirty_background_ratio": (0, 100),
    "dirty_expire_centisecs": (0, None),
    "dirty_writeback_centisecs": (0, None),
    "swappiness": (0, 200),
}
"""By the last part of the knob's path."""


def kernel_range(tree: Tree, path: str) -> Range:
    """Smallest and largest value of a knob's file; None where the kernel does not say."""
    folder, _, name = path.rpartition("/")
    if name == "nr_requests":
        return _requests(tree, folder)
    if name == "max_sectors_kb":
        return 4, parse_int(tree.read(f"{folder}/max_hw_sectors_kb"))
    return FIXED.get(name, UNKNOWN)


def _requests(tree: Tree, queue: str) -> Range:
    """At least BLKDEV_MIN_RQ, smaller ones are raised in silence (block/blk-sysfs.c); at
    most the hardware's tags without a scheduler (block/blk-mq-tag.c)."""
    scheduler, _ = parse_choice(tree.read(f"{queue}/scheduler"))
    if scheduler != "none":
        return 4, SCHEDULED_REQUESTS
    hardware = f"{queue.removesuffix('queue')}mq"
    depths = (tree.read(f"{hardware}/{name}/nr_tags") for name in tree.names(hardware))
    known = [depth for text in depths if (depth := parse_int(text)) is not None]
    return 4, min(known, default=None)
