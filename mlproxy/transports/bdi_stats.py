"""What debugfs says of one bdi's dirty data: bdi/<name>/stats (mm/backing-dev.c).

Only root may read it, and lockdown may refuse it. Attributes of a sample:
    bdi.{dirtied,written}_kb                counters
    bdi.{writeback,reclaimable}_kb          gauges; their sum is the backlog
    bdi.thresh_kb                           its share of the host's limit, as of now
    bdi.{host_thresh,host_background}_kb    the host's limits
    bdi.bandwidth_kb_s                      the kernel's estimate of what it can write
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mlproxy.parse import parse_int
from mlproxy.tree import Tree

FOLDER = "sys/kernel/debug/bdi"
NAMES = {
    "BdiWriteback": "bdi.writeback_kb",
    "BdiReclaimable": "bdi.reclaimable_kb",
    "BdiDirtyThresh": "bdi.thresh_kb",
    "DirtyThresh": "bdi.host_thresh_kb",
    "BackgroundThresh": "bdi.host_background_kb",
    "BdiDirtied": "bdi.dirtied_kb",
    "BdiWritten": "bdi.written_kb",
    "BdiWriteBandwidth": "bdi.bandwidth_kb_s",
}
NOTHING: Mapping[str, float] = MappingProxyType({})


def stats_path(object_path: str) -> str:
    """The file of a bdi at sys/class/bdi/<name>."""
    return f"{FOLDER}/{object_path.rpartition('/')[2]}/stats"


def read_bdi_stats(tree: Tree, path: str) -> Mapping[str, float]:
    """As of now; {} where the file is absent or refused."""
    text = tree.read(path, keep=True)
    return parse_bdi_stats(text) if text else NOTHING


def parse_bdi_stats(text: str) -> dict[str, float]:
    """Lines like "BdiDirtied:  1024 kB", those that are known."""
    found = {}
    for line in text.splitlines():
        label, _, rest = line.partition(":")
        number = parse_int(next(iter(rest.split()), None)) if label in NAMES else None
        if number is not None:
            found[NAMES[label]] = float(number)
    return found
