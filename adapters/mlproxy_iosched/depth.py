"""The queue depth that is really in force.

Under `none`, sysfs may say one nr_requests while the hardware queue keeps another, after
a scheduler came and went (measured on loop). debugfs shows the truth: bitmap_tags of
hctx0/tags without a scheduler, of hctx0/sched_tags with one (block/blk-mq-debugfs.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlproxy.adapter import ObjectFiles

BITMAP_DEPTH = re.compile(r"^bitmap_tags:\s+depth=(\d+)", re.MULTILINE)


def depth_in_force(files: ObjectFiles) -> int | None:
    """Depth of the queue's tags; None where debugfs is absent or refused (lockdown)."""
    scheduler = files.read("queue/scheduler") or ""
    bare = "[none]" in scheduler or scheduler == "none"
    text = files.debug("hctx0/tags" if bare else "hctx0/sched_tags")
    found = BITMAP_DEPTH.search(text or "")
    return int(found[1]) if found else None


def depth_writes(files: ObjectFiles, proposed: int) -> Iterator[int]:
    """What to write so that `proposed` is in force: another value first where sysfs
    already shows it and the kernel would therefore do nothing."""
    shown = files.read("queue/nr_requests")
    if shown == str(proposed) and depth_in_force(files) not in (None, proposed):
        yield proposed - 1
    yield proposed
