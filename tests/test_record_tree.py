"""Recording a machine, and the recorded trees of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from mlproxy.adapter import Adapter, Missing, ObjectFiles, Subject
from mlproxy.errors import ConfigError
from mlproxy.features import FeatureSchema, feature
from mlproxy.knob import Effect, Knob, Setting, Value
from mlproxy.objective import Objective
from mlproxy.proxy import Proxy
from mlproxy.record_tree import record_tree
from mlproxy.snapshot import Window
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree

TREES = Path(__file__).parent / "fixtures/trees"
NAMES = ("btrfs-sequential", "loop-random", "loop-writer", "lvm-crypt", "nothing", "nvme-md")


class Schema(FeatureSchema):
    reads: float = feature("1", "/proc/diskstats", "reads")


class DiskAdapter(Adapter):
    name = "queue"
    version = "1"
    subject: ClassVar[Subject] = "disk"
    knobs: ClassVar[tuple[Knob, ...]] = (
        Knob("nr_requests", "queue/nr_requests", "", "", (1, 2), Effect.AT_ONCE, "", 0.0),
        Knob("none", "queue/none", "", "", (1, 2), Effect.AT_ONCE, "", 0.0),
    )
    schema = Schema
    objective = Objective("reads", "1/s", "reads")
    facts: ClassVar[dict[str, str]] = {"rotational": "queue/rotational"}

    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        raise Missing("nothing")

    def idle(self, window: Window) -> str | None:
        return None

    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        return ""

    def effective(self, files: ObjectFiles, knob: str) -> Value | None:
        files.debug("hctx0/sched_tags")
        return None


class BdiAdapter(DiskAdapter):
    name = "window"
    subject: ClassVar[Subject] = "bdi"
    knobs: ClassVar[tuple[Knob, ...]] = (
        Knob("read_ahead_kb", "read_ahead_kb", "", "", (1, 2), Effect.AT_ONCE, "", 0.0),
    )


ADAPTERS = (BdiAdapter(), DiskAdapter())


def report(root: Path) -> list[object]:
    """All that a session can see of a tree, snapshot by snapshot."""
    tree = Tree(root)
    transport = StockTransport(tree)
    proxies = [proxy for adapter in ADAPTERS for proxy in transport.discover(adapter)]
    seen: list[object] = list(proxies)
    while True:
        ticks = transport.sample(proxies)
        seen += [(key, sample.taken_ns, dict(sample.values)) for key, sample in ticks.items()]
        seen += [transport.files(proxy).debug("hctx0/sched_tags") for proxy in proxies]
        if not tree.advance():
            return seen


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_a_recorded_tree_is_seen_alike(tmp_path: Path, name: str) -> None:
    count = record_tree(Tree(TREES / name), ADAPTERS, tmp_path / "copy", 3, 60.0)
    assert count == 3
    assert report(tmp_path / "copy") == report(TREES / name)


def test_only_what_is_needed_is_copied(tmp_path: Path) -> None:
    record_tree(Tree(TREES / "nvme-md"), ADAPTERS[:1], tmp_path / "copy", 1, 60.0)
    assert not (tmp_path / "copy/000/sys/block/nvme0n1/mq").exists()
    link = tmp_path / "copy/000/sys/block/md127"
    assert str(link.readlink()) == "../devices/virtual/block/md127"


def test_recording_ends_with_the_tree(tmp_path: Path) -> None:
    assert record_tree(Tree(TREES / "nothing"), ADAPTERS, tmp_path / "copy", 9, 60.0) == 3
    assert not (tmp_path / "copy/003").exists()


def test_the_live_machine_can_be_recorded(tmp_path: Path) -> None:
    assert record_tree(Tree(), ADAPTERS, tmp_path / "live", 2, 0.05) == 2
    tree = Tree(tmp_path / "live")
    before = tree.now_ns()
    assert "pgmajfault" in (tree.read("proc/vmstat") or "")
    assert tree.read("proc/self/mountinfo")
    assert not (tmp_path / "live/000/proc/self").is_symlink()
    assert tree.advance()
    assert tree.now_ns() > before


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(ConfigError, match="not empty"):
        record_tree(Tree(TREES / "nothing"), ADAPTERS, tmp_path, 1, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_trees_are_small_and_move(name: str) -> None:
    files = [path for path in (TREES / name).rglob("*") if path.is_file()]
    assert len([path for path in files if not path.is_symlink()]) < 150
    taken = [int(path.read_text()) for path in sorted(files) if path.name == "taken_ns"]
    assert len(taken) == 3
    assert taken == sorted(set(taken))
    if name != "nothing":
        stats = {path.read_text() for path in files if path.name == "diskstats"}
        assert len(stats) == 3
