"""A bdi's own dirty data from debugfs."""

from __future__ import annotations

from pathlib import Path

from mlproxy.transports.bdi_stats import parse_bdi_stats, read_bdi_stats, stats_path
from mlproxy.tree import Tree

TEXT = """BdiWriteback:            128 kB
BdiReclaimable:         2048 kB
BdiDirtyThresh:      1000000 kB
DirtyThresh:         4495756 kB
BackgroundThresh:    2245132 kB
BdiDirtied:            10240 kB
BdiWritten:             8192 kB
BdiWriteBandwidth:    102400 kBps
b_dirty:                   3
state:                     1
"""


def test_every_field_has_its_attribute() -> None:
    found = parse_bdi_stats(TEXT)
    assert found["bdi.reclaimable_kb"] == 2048
    assert found["bdi.host_thresh_kb"] == 4495756
    assert found["bdi.bandwidth_kb_s"] == 102400
    assert len(found) == 8


def test_what_does_not_fit_is_left_out() -> None:
    assert parse_bdi_stats("") == {}
    assert parse_bdi_stats("BdiDirtied: many kB\nBdiWritten:\nnonsense") == {}


def test_the_file_is_found_by_the_objects_name(tmp_path: Path) -> None:
    path = stats_path("sys/class/bdi/btrfs-1")
    assert path == "sys/kernel/debug/bdi/btrfs-1/stats"
    assert read_bdi_stats(Tree(tmp_path), path) == {}
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(TEXT)
    assert read_bdi_stats(Tree(tmp_path), path)["bdi.written_kb"] == 8192
