"""Finding and using a memory cgroup, on a tree in a temporary directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.errors import LabError
from mlproxy.lab.cgroup import Cgroup, Hierarchy, find_hierarchy

V1 = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
V1_OTHER = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n"


def test_version_1_has_the_controller_where_both_are_mounted() -> None:
    found = find_hierarchy(V2 + V1_OTHER + V1)
    assert found == Hierarchy(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")


def test_version_2_alone() -> None:
    assert find_hierarchy(V2) == Hierarchy(Path("/sys/fs/cgroup/unified"), "memory.max")


def test_no_memory_hierarchy_is_an_error() -> None:
    with pytest.raises(LabError, match="no memory cgroup"):
        find_hierarchy(V1_OTHER)


def test_the_limit_is_written_and_the_workload_joins(tmp_path: Path) -> None:
    group = Cgroup(Hierarchy(tmp_path, "memory.max"), "bed")
    group.create(1 << 20)
    assert (tmp_path / "bed" / "memory.max").read_text() == "1048576\n"
    argv = group.wrap(["fio", "--name=a b"])
    assert argv[:2] == ["sh", "-c"]
    assert argv[3:] == [str(group.procs_file), "fio", "--name=a b"]


def test_a_limit_that_cannot_be_set_names_the_file(tmp_path: Path) -> None:
    group = Cgroup(Hierarchy(tmp_path, "absent/memory.max"), "bed")
    with pytest.raises(LabError, match="subtree_control"):
        group.create(1)


def test_a_group_that_is_gone_has_no_processes_and_can_be_removed_again(tmp_path: Path) -> None:
    group = Cgroup(Hierarchy(tmp_path, "memory.max"), "bed")
    group.kill()
    group.remove()
    assert group.pids() == []
