"""The kernel transport: proxies that a patched kernel itself offers, in class ml_proxy.

It stands on the stock transport. A proxy whose object has a device of the class, and all of
whose knobs that device takes recommendations for, is reached through it; its samples have
the kernel's own counters besides (transports/class_values.py). Everything else stays stock.
The knobs' own files stay what they are for a kernel proxy: the administrator's values, which
are the baselines.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mlproxy.adapter import Adapter, ObjectFiles
from mlproxy.knob import Knob, Value
from mlproxy.parse import parse_int
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample
from mlproxy.transports.class_values import PREFIX, ClassReader
from mlproxy.transports.limits import Range
from mlproxy.transports.ml_class import ClassDevice, scan_class
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree

NAME = "kernel"


class KernelTransport:
    """Reads a patched kernel; every method is as in transports/base.py."""

    name = NAME

    def __init__(self, tree: Tree, stock: StockTransport) -> None:
        self._tree = tree
        self._stock = stock
        self._reader = ClassReader(tree)
        self._devices: dict[str, ClassDevice] = {}
        self._adapters: dict[str, Adapter] = {}

    def discover(self, adapter: Adapter) -> list[Proxy]:
        """Every proxy of the adapter; those that the class offers go through it."""
        self._adapters[adapter.name] = adapter
        offered = {d.parent: d for d in scan_class(self._tree) if d.provider == adapter.name}
        prefix = f"{adapter.name}."
        kept = {key: d for key, d in self._devices.items() if not key.startswith(prefix)}
        found = []
        for proxy in self._stock.discover(adapter):
            parent = self._tree.link(proxy.object_path) if proxy.object_path else None
            device = offered.get(parent) if parent else None
            if device is not None:
                kept[proxy.id] = device
                proxy = _offered(proxy, device, adapter.class_knobs or tuple(proxy.knobs))
            found.append(proxy)
        self._devices = kept
        return found

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        """One tick; a proxy whose device is gone, or is another's by now, is left out."""
        wanted = [self._devices[p.id] for p in proxies if p.id in self._devices]
        self._reader.update(wanted)
        stock = self._stock.sample(proxies)
        read = {p.id: self._numbers(p, stock) for p in proxies if self._has(p)}
        gone = {p.id for p in proxies if p.lease and read.get(p.id) is None}
        return KernelTick(stock, {key: found for key, found in read.items() if found}, gone)

    def changed(self, proxy_id: str) -> bool:
        """False when no counter of the proxy's own moved between its last two samples."""
        return self._stock.changed(proxy_id)

    def value(self, proxy: Proxy, knob: Knob) -> Value | None:
        """What the knob's own file holds: for a kernel proxy the baseline."""
        return self._stock.value(proxy, knob)

    def kernel_range(self, proxy: Proxy, knob: Knob) -> Range:
        """What the kernel allows; for a kernel proxy what it takes recommendations from."""
        if not proxy.lease or self._adapters[proxy.subsystem].class_knobs:
            return self._stock.kernel_range(proxy, knob)
        bounds = (self._tree.read(f"{proxy.lease}/{knob.name}/{name}") for name in ("min", "max"))
        low, high = map(parse_int, bounds)
        return low, high

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        """The words that the kernel offers; () for a knob of integers."""
        return self._stock.kernel_choices(proxy, knob)

    def files(self, proxy: Proxy) -> ObjectFiles:
        """Read-only view of the object's files."""
        return self._stock.files(proxy)

    def _has(self, proxy: Proxy) -> bool:
        return proxy.id in self._devices

    def _numbers(self, proxy: Proxy, stock: Mapping[str, Sample]) -> Mapping[str, float] | None:
        numbers = self._reader.numbers(self._devices[proxy.id])
        adapter = self._adapters.get(proxy.subsystem)
        if numbers is None or not proxy.lease or adapter is None or not adapter.class_knobs:
            return numbers
        if proxy.id not in stock:  # it went between the two readings
            return None
        return {**numbers, **_translated(adapter, numbers, stock[proxy.id].values)}


class KernelTick(Mapping[str, Sample]):
    """The stock samples of a tick, with the kernel's numbers where there are any."""

    __slots__ = ("_gone", "_numbers", "_stock")

    def __init__(
        self,
        stock: Mapping[str, Sample],
        numbers: Mapping[str, Mapping[str, float]],
        gone: set[str],
    ) -> None:
        self._stock = stock
        self._numbers = numbers
        self._gone = gone

    def __getitem__(self, proxy_id: str) -> Sample:
        if proxy_id in self._gone:
            raise KeyError(proxy_id)
        sample = self._stock[proxy_id]
        own = self._numbers.get(proxy_id)
        if own is None:
            return sample
        return Sample(sample.taken_ns, ChainMap(dict(own), sample.values))  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return (proxy_id for proxy_id in self._stock if proxy_id not in self._gone)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _translated(
    adapter: Adapter, numbers: Mapping[str, float], values: Mapping[str, float]
) -> dict[str, float]:
    """The knobs' own numbers, made of those of the class knobs. While a lease runs what was
    recommended counts as in force, however slowly the kernel gets there."""
    found: dict[str, float] = {}
    known = {**values, **numbers}
    for what in ("baseline", "recommended", "effective"):
        names = [(name, f"{PREFIX}{name}.{what}") for name in adapter.class_knobs]
        held = {name: int(numbers[path]) for name, path in names if path in numbers}
        if held:
            setting = adapter.from_class(held, known)
            found |= {f"{PREFIX}{name}.{what}": float(value) for name, value in setting.items()}
    leased = [name for name in found if name.endswith(".recommended")]
    return found | {name.replace(".recommended", ".effective"): found[name] for name in leased}


def _offered(proxy: Proxy, device: ClassDevice, knobs: Sequence[str]) -> Proxy:
    """The proxy through the class, or as it was with why not."""
    missing = [name for name in knobs if name not in device.knobs]
    why = ""
    if device.lacks:
        why = f"the kernel's proxy lacks {', '.join(device.lacks)}"
    elif missing:
        why = f"the kernel's proxy takes nothing for {', '.join(missing)}"
    if why:
        return replace(proxy, lacks=(*proxy.lacks, f"{why}: knobs are written themselves"))
    return replace(proxy, transport=NAME, lease=device.path)
