"""Reading a machine: live, recorded, and a plain folder."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import NoReturn

import pytest

from mlproxy.errors import ConfigError, NotPermitted
from mlproxy.tree import Tree

UPTIME = "proc/uptime"


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def open_descriptors(target: str) -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(link) == target for link in links)


def test_absent_is_none(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    assert tree.read("sys/nothing") is None
    assert tree.names("sys/nothing") == []
    assert not tree.exists("sys/nothing")
    assert tree.link("sys/nothing") is None


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    assert Tree(tmp_path).read("sys") is None


def test_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*gone"):
        Tree(tmp_path / "gone")


def test_a_root_that_this_user_may_not_read_needs_a_privilege(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(NotPermitted, match=r"cannot read .*EACCES.*this needs root"):
        Tree(tmp_path)


def test_text_is_as_the_kernel_gives_it(tmp_path: Path) -> None:
    write(tmp_path, "sys/value", "128\n")
    assert Tree(tmp_path).read("sys/value") == "128\n"


def test_bytes_that_are_no_text_do_not_raise(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe12")
    assert "12" in (Tree(tmp_path).read("odd") or "")


def test_a_plain_folder_never_advances(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    assert tree.now_ns() == 0
    assert not tree.wait(60.0)


def test_snapshots_follow_one_another(tmp_path: Path) -> None:
    for index in range(3):
        write(tmp_path, f"{index:03d}/taken_ns", f"{index + 5}\n")
        write(tmp_path, f"{index:03d}/proc/counter", str(index))
    tree = Tree(tmp_path)
    seen = [(tree.now_ns(), tree.read("proc/counter"))]
    while tree.wait(60.0):
        seen.append((tree.now_ns(), tree.read("proc/counter", keep=True)))
    assert seen == [(5, "0"), (6, "1"), (7, "2")]


@pytest.mark.parametrize("target", ["../../devices/sda", "/sys/devices/sda"])
def test_links_resolve_inside_the_tree(tmp_path: Path, target: str) -> None:
    write(tmp_path, "000/sys/devices/sda/size", "42\n")
    (tmp_path / "000/sys/class/block").mkdir(parents=True)
    (tmp_path / "000/sys/class/block/sda").symlink_to(target)
    tree = Tree(tmp_path)
    assert tree.read("sys/class/block/sda/size") == "42\n"
    assert tree.link("sys/class/block/sda") == "sys/devices/sda"
    assert tree.exists("sys/class/block/sda")


def test_a_link_out_of_the_tree_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, "secret", "no")
    root = tmp_path / "tree"
    (root / "sys").mkdir(parents=True)
    (root / "sys/up").symlink_to("../../../secret")
    (root / "sys/absolute").symlink_to(tmp_path / "secret")
    assert Tree(root).read("sys/up") is None
    assert Tree(root).read("sys/absolute") is None


def test_links_of_one_snapshot_do_not_serve_the_next(tmp_path: Path) -> None:
    for index, disk in enumerate(("sda", "sdb")):
        write(tmp_path, f"{index:03d}/devices/{disk}/size", disk)
        (tmp_path / f"{index:03d}/block").symlink_to(f"devices/{disk}")
    tree = Tree(tmp_path)
    assert tree.read("block/size") == "sda"
    assert tree.advance()
    assert tree.read("block/size") == "sdb"


def test_a_kept_file_stays_open_and_is_read_anew() -> None:
    tree = Tree()
    first = tree.read(UPTIME, keep=True)
    assert open_descriptors("/proc/uptime") == 1
    time.sleep(0.02)
    assert tree.read(UPTIME, keep=True) != first
    assert open_descriptors("/proc/uptime") == 1
    tree.close()
    assert open_descriptors("/proc/uptime") == 0


def test_kept_descriptors_are_bounded() -> None:
    tree = Tree(descriptors=1)
    tree.read(UPTIME, keep=True)
    assert tree.read("proc/loadavg", keep=True)
    assert open_descriptors("/proc/loadavg") == 0
    tree.close()


def test_a_kept_file_that_vanished_is_opened_again(tmp_path: Path) -> None:
    tree = Tree()
    tree.read(UPTIME, keep=True)
    os.close(tree._kept[UPTIME])
    tree._kept[UPTIME] = os.open(tmp_path, os.O_RDONLY)  # reading it fails, as after ENODEV
    assert tree.read(UPTIME, keep=True)
    assert UPTIME not in tree._kept


def test_long_files_of_procfs_come_whole() -> None:
    with Path("/proc/self/maps").open("rb", buffering=0) as file:
        assert len(file.read(1 << 20)) < 8192  # one read gives a piece
    text = Tree().read("proc/self/maps")
    assert text is not None
    assert text.splitlines()[-1] == Path("/proc/self/maps").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("path", "reads"),
    [
        ("sys/class/bdi/8:0/read_ahead_kb", 1),
        ("proc/pressure/io", 1),
        ("proc/vmstat", 2),
        ("sys/kernel/debug/block/sda/hctx0/tags", 2),
    ],
)
def test_only_a_file_that_comes_in_pieces_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reads: int
) -> None:
    write(tmp_path, path, "128\n")
    asked, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *where: asked.append(where) or pread(*where))
    assert Tree(tmp_path).read(path) == "128\n"
    assert len(asked) == reads


def test_live_waits_and_goes_on() -> None:
    tree = Tree()
    before = tree.now_ns()
    assert tree.wait(0.01)
    assert tree.now_ns() - before >= 10_000_000
