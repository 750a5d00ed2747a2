"""Record the files that the transport reads, as numbered snapshots of a small tree.

Such a tree is what `--root` and the tests read. Nothing else of the machine is copied:
what discovery, sampling, knobs and the adapters' own checks touch is noted, then copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.errors import ConfigError
from mlproxy.links import follow
from mlproxy.transports.choose import recorded_transport
from mlproxy.tree import TAKEN, Tree


class TracingTree(Tree):
    """Another tree, with a note of every path that was asked for."""

    def __init__(self, tree: Tree) -> None:
        self.root, self.live = tree.root, tree.live
        self.files: set[str] = set()
        self.read_files: set[str] = set()
        self.folders: set[str] = set()
        self._tree = tree

    def read(self, path: str, *, keep: bool = False) -> str | None:
        """As Tree.read."""
        self.files.add(path)
        self.read_files.add(path)
        return self._tree.read(path)

    def exists(self, path: str) -> bool:
        """As Tree.exists."""
        self.files.add(path)
        return self._tree.exists(path)

    def link(self, path: str) -> str | None:
        """As Tree.link."""
        self.files.add(path)
        return self._tree.link(path)

    def names(self, path: str) -> list[str]:
        """As Tree.names."""
        self.folders.add(path)
        return self._tree.names(path)

    def now_ns(self) -> int:
        """As Tree.now_ns."""
        return self._tree.now_ns()


def record_tree(
    tree: Tree, adapters: Sequence[Adapter], folder: Path, count: int, interval_s: float
) -> int:
    """Write `count` snapshots of what the adapters need into `folder`, 000/, 001/ ...

    Returns:
        How many were written; fewer than `count` when a recorded tree ends before.

    Raises:
        ConfigError: the folder exists and is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; record into a new folder")
    tracer = TracingTree(tree)
    _touch(tracer, adapters)
    for index in range(count):
        _copy(tree, tracer, folder / f"{index:03d}")
        if index + 1 < count and not tree.wait(interval_s):
            return index + 1
    return count


def _touch(tree: TracingTree, adapters: Iterable[Adapter]) -> None:
    """Ask for everything that a session would ask for."""
    transport = recorded_transport(tree)
    for adapter in adapters:
        proxies = transport.discover(adapter)
        list(transport.sample(proxies).values())  # a sample is read when it is looked up
        for proxy in proxies:
            files = transport.files(proxy)
            for knob in adapter.knobs:
                transport.value(proxy, knob)
                transport.kernel_range(proxy, knob)
                adapter.effective(files, knob.name)


def _copy(tree: Tree, tracer: TracingTree, target: Path) -> None:
    target.mkdir(parents=True)
    (target / TAKEN).write_text(f"{tree.now_ns()}\n")
    # A listed folder counts by the links in it: what else it holds was asked for by name.
    listed = {f"{folder}/{name}" for folder in tracer.folders for name in tree.names(folder)}
    for path in sorted(tracer.files):
        _copy_file(tree, path, target, there=path not in tracer.read_files)
    for path in sorted(listed):
        _copy_links(tree, path, target)


def _copy_file(tree: Tree, path: str, target: Path, there: bool) -> None:
    """`there`: it was only asked whether it exists, as of a file that cannot be read."""
    real = _copy_links(tree, path, target)
    text = tree.read(path)
    if there and text is None and real and (tree.base / real).is_file():
        text = ""
    if real and text is not None:
        (target / real).parent.mkdir(parents=True, exist_ok=True)
        (target / real).write_text(text)


def _copy_links(tree: Tree, path: str, target: Path) -> str | None:
    """Links on the way as they are; where the path ends. proc/self is a link to the
    number of whoever asks, so below proc/ the names are kept instead."""
    if path.startswith("proc/"):
        return path
    real, links = follow(str(tree.base).rstrip("/"), path)
    for name, text in links.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.is_symlink():
            copy.symlink_to(text)
    return real
