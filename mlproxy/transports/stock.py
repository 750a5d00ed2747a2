"""The stock transport: ordinary sysfs, procfs and debugfs, for any adapter's declarations.

Attributes of a sample:
    disk.*   the object's own I/O, /proc/diskstats (mlproxy/parse.py, DISK_FIELDS), of the
             parts of a disk that its bdi serves; of a dm or md its own line; of a btrfs the
             sum over its devices; plus the gauges disk.read_inflight and disk.write_inflight.
    host.*   read_ios, read_sectors, write_ios, write_sectors of all objects of the same
             level, each byte once: what file systems and raw users read from (bdi, host) or
             the leaf disks (disk). A bdi's part of the host's major faults is its share of
             these reads. Swap on zram counts: its faults are in vm.pgmajfault too. A loop
             device whose file lies on a counted disk does not.
    vm.*     every key of /proc/vmstat.
    bdi.*    a bdi's own dirty data (transports/bdi_stats.py), for adapters that ask for it.
    trace.*  where read requests lie (transports/requests.py), where tracing is possible.
    psi.*    {io,memory,cpu}.{some,full}_us, total stall, and _avg10 in percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlproxy.adapter import Adapter, ObjectFiles, Subject
from mlproxy.knob import Knob, Value
from mlproxy.parse import parse_choice, parse_int
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample
from mlproxy.stack import Stack, StackObject
from mlproxy.transports.bdi_stats import read_bdi_stats, stats_path
from mlproxy.transports.counters import DiskTable, HostCounters, HostTotal
from mlproxy.transports.leaf import leaf_devno
from mlproxy.transports.limits import Range, kernel_range
from mlproxy.transports.source import Source
from mlproxy.transports.tick import Cells, Layers, Tick
from mlproxy.tree import Tree

if TYPE_CHECKING:
    from mlproxy.transports.requests import Requests


class StockFiles:
    """The files around one object (an ObjectFiles). What the object itself lacks is looked
    for at its disk, so that a bdi has queue/rotational too."""

    def __init__(self, tree: Tree, path: str, disk: str) -> None:
        self._tree = tree
        self._path = path
        self._disk = disk

    def read(self, path: str) -> str | None:
        """Text of `path` relative to the object's folder, stripped; None if absent."""
        text = self._tree.read(_join(self._path, path))
        if text is None and self._disk:
            text = self._tree.read(f"sys/block/{self._disk}/{path}")
        return None if text is None else text.strip()

    def debug(self, path: str) -> str | None:
        """Text of `path` under debugfs' block/<disk>/; None if absent or refused."""
        if not self._disk:
            return None
        text = self._tree.read(f"sys/kernel/debug/block/{self._disk}/{path}")
        return None if text is None else text.strip()


class StockTransport:
    """Reads a stock kernel; every method is as in transports/base.py."""

    name = "stock"

    def __init__(self, tree: Tree, requests: Requests | None = None, untraced: str = "") -> None:
        """`requests`: counters of where requests lie; without them trace.* is missing, and
        `untraced` says why."""
        self._tree = tree
        self._untraced = untraced
        self._requests = requests
        self._traced: dict[str, str] = {}
        self._stats: dict[str, str] = {}
        self._sources: dict[str, Source] = {}
        self._levels: dict[str, Subject] = {}
        self._disks = DiskTable()
        self._host = HostCounters(tree)
        self._tops = HostTotal()
        self._leaves = HostTotal()

    def discover(self, adapter: Adapter) -> list[Proxy]:
        """Every proxy of the adapter that this machine has, sorted by device.

        To be called again when devices come or go; counters of objects that stay go on.
        """
        stack = Stack(self._tree)
        self._tops.choose(stack.top_counters())
        self._leaves.choose(stack.leaf_counters())
        items = {f"{adapter.name}.{item.name}": item for item in stack.objects(adapter.subject)}
        proxies = [self._proxy(adapter, proxy_id, item) for proxy_id, item in items.items()]
        found = [proxy for proxy in proxies if proxy.knobs]
        self._keep_sources(adapter, {proxy.id: items[proxy.id] for proxy in found})
        return found

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        """One tick. A sample is built when it is looked up; a proxy whose object is gone,
        or that was never discovered here, is left out."""
        taken_ns = self._tree.now_ns()
        self._disks.update(self._tree.read("proc/diskstats", keep=True) or "")
        rows, sources = self._disks.rows, self._sources
        cells: dict[str, Cells] = {}
        for proxy in proxies:
            source = sources.get(proxy.id)
            own = source.update(rows) if source else None
            if own:
                cells[proxy.id] = own
        if self._requests is not None:
            self._requests.update()
        beside = self._beside if self._requests is not None or self._stats else None
        return Tick(taken_ns, cells, self._levels, self._shared(), beside)

    def _beside(self, proxy_id: str) -> Mapping[str, float]:
        """What is known of one proxy besides its disk counters."""
        path = self._stats.get(proxy_id)
        places = self._places(proxy_id) if self._requests is not None else {}
        return {**places, **read_bdi_stats(self._tree, path)} if path else places

    def _places(self, proxy_id: str) -> Mapping[str, float]:
        devno = self._traced.get(proxy_id)
        if devno is None:
            source = self._sources.get(proxy_id)
            devno = leaf_devno(self._tree, source.item.disk) if source else ""
            self._traced[proxy_id] = devno
        return self._requests.counters(devno) if self._requests and devno else {}

    def changed(self, proxy_id: str) -> bool:
        """False when no counter of the proxy's own moved between its last two samples."""
        source = self._sources.get(proxy_id)
        return source is None or source.changed

    def value(self, proxy: Proxy, knob: Knob) -> Value | None:
        """What the knob's file holds now; None when it is gone or refused."""
        path = proxy.knobs.get(knob.name)
        text = self._tree.read(path, keep=True) if path else None
        return parse_choice(text)[0] if knob.choices else parse_int(text)

    def kernel_range(self, proxy: Proxy, knob: Knob) -> Range:
        """What the kernel itself allows, where it says so (None: it does not)."""
        path = proxy.knobs.get(knob.name)
        return kernel_range(self._tree, path) if path and not knob.choices else (None, None)

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        """The words that the kernel offers, without brackets; () for a knob of integers."""
        path = proxy.knobs.get(knob.name)
        return parse_choice(self._tree.read(path))[1] if path and knob.choices else ()

    def files(self, proxy: Proxy) -> ObjectFiles:
        """Read-only view of the object's files."""
        source = self._sources.get(proxy.id)
        return StockFiles(self._tree, proxy.object_path, source.item.disk if source else "")

    def _proxy(self, adapter: Adapter, proxy_id: str, item: StackObject) -> Proxy:
        paths = {knob.name: _join(item.path, knob.path) for knob in adapter.knobs}
        knobs = {name: path for name, path in paths.items() if self._tree.exists(path)}
        return Proxy(
            id=proxy_id,
            subsystem=adapter.name,
            device=item.device,
            transport=self.name,
            object_path=item.path,
            identity=item.identity,
            knobs=knobs,
            names=item.names | {proxy_id},
            facts=self._facts(adapter, item),
            lacks=tuple(self._lacks(item, adapter, knobs)),
        )

    def _facts(self, adapter: Adapter, item: StackObject) -> dict[str, float]:
        files = StockFiles(self._tree, item.path, item.disk)
        read = {name: parse_int(files.read(path)) for name, path in adapter.facts.items()}
        return {name: float(value) for name, value in read.items() if value is not None}

    def _lacks(self, item: StackObject, adapter: Adapter, knobs: Mapping[str, str]) -> list[str]:
        missing = [knob.name for knob in adapter.knobs if knob.name not in knobs]
        found = [f"no such knob here: {name}" for name in missing]
        found += self._blind_spots(adapter.subject, item)
        if "bdi" in adapter.reads and self._tree.read(stats_path(item.path)) is None:
            found.append("debugfs cannot be read: only the host's dirty data is known")
        if "nr_requests" in knobs and not self._debugfs(item.disk):
            found.append("debugfs cannot be read: the depth in force cannot be checked")
        return found

    def _blind_spots(self, subject: Subject, item: StackObject) -> list[str]:
        found = []
        if subject != "host" and not item.counters:
            found.append("its device is not known: no disk counters")
        elif item.disk and self._tree.read(f"sys/block/{item.disk}/queue/iostats") == "0\n":
            found.append("queue/iostats is 0: its disk counters stand still")
        if subject == "bdi" and self._untraced:
            found.append(f"where requests lie is not known: {self._untraced}")
        if not self._tree.exists("proc/pressure/io"):
            found.append("no /proc/pressure: stall times are not known")
        return found

    def _debugfs(self, disk: str) -> bool:
        # Lockdown refuses files one by one (fs/debugfs/file.c): ask for the one that matters.
        return self._tree.read(f"sys/kernel/debug/block/{disk}/hctx0/tags") is not None

    def _shared(self) -> dict[Subject, Layers]:
        host = self._host.read()
        tops = self._tops.update(self._disks), host
        return {"bdi": tops, "host": tops, "disk": (self._leaves.update(self._disks), host)}

    def _keep_sources(self, adapter: Adapter, items: Mapping[str, StackObject]) -> None:
        """New objects get a source, those that stay keep theirs, counters and all."""
        prefix = f"{adapter.name}."
        kept = {key: old for key, old in self._sources.items() if not key.startswith(prefix)}
        levels = {key: level for key, level in self._levels.items() if key in kept}
        for proxy_id, item in items.items():
            known = self._sources.get(proxy_id)
            same = known is not None and known.item == item
            leaf = adapter.subject == "disk"
            kept[proxy_id] = known if known and same else Source(self._tree, item, inflight=leaf)
        self._sources = kept
        own = {key: path for key, path in self._stats.items() if not key.startswith(prefix)}
        asked = items if "bdi" in adapter.reads else {}
        self._stats = own | {key: stats_path(item.path) for key, item in asked.items()}
        # A tick that is still in use keeps the levels that it was made with.
        self._levels = levels | dict.fromkeys(items, adapter.subject)


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path
