"""Raw windows beside a workload: what the stock transport sees of the bed's own object."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import LabError
from mlproxy.lab.cgroup import Cgroup
from mlproxy.lab.fio import Windows
from mlproxy.lab.testbed import TestBed
from mlproxy.proxy import Proxy
from mlproxy.transports.requests import open_requests
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree

WINDOW_S = 0.98
KEPT = ("bdi.", "disk.", "host.", "trace.", "psi.io.", "psi.memory.")
KEPT_VM = (
    "nr_dirty",
    "nr_writeback",
    "nr_dirtied",
    "nr_written",
    "nr_dirty_threshold",
    "nr_active_file",
    "nr_inactive_file",
    "pgsteal_file",
    "pgpgin",
    "pgpgout",
)
OWN_VM = ("pgfault", "pgmajfault", "workingset_refault_file")
"""Counters taken from the workload's cgroup: on a quiet host the same as the host's."""


class Observer:
    """Samples one adapter's proxy of a bed. Raises LabError when the bed has none."""

    def __init__(self, bed: TestBed, adapter: Adapter) -> None:
        tree = Tree()
        self._requests, _ = open_requests(tree)
        self._transport = StockTransport(tree, self._requests)
        found = [p for p in self._transport.discover(adapter) if bed.disk in p.names]
        if not found:
            raise LabError(f"adapter {adapter.name} finds nothing to tune on {bed.disk}")
        self.proxy: Proxy = found[0]
        self._cgroup = bed.cgroup

    def close(self) -> None:
        """Stop tracing."""
        if self._requests is not None:
            self._requests.close()

    @property
    def windows(self) -> Callable[[], AbstractContextManager[Windows]]:
        """For the row runner: windows of WINDOW_S while the block lasts."""
        return self._watch

    @contextmanager
    def _watch(self) -> Iterator[Windows]:
        found: Windows = []
        over = threading.Event()

        def collect() -> None:
            before = self._sample()
            while not over.wait(WINDOW_S):
                after = self._sample()
                found.append({"before": before, "after": after})
                before = after

        thread = threading.Thread(target=collect)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join()

    def _sample(self) -> dict[str, Any]:
        sample = self._transport.sample([self.proxy])[self.proxy.id]
        values = {name: value for name, value in sample.values.items() if _kept(name)}
        return {"taken_ns": sample.taken_ns, "values": values | memory_stat(self._cgroup)}


def memory_stat(cgroup: Cgroup) -> dict[str, float]:
    """The workload's own counters under the names of /proc/vmstat."""
    text = (cgroup.path / "memory.stat").read_text()
    rows = (line.split() for line in text.splitlines())
    return {f"vm.{name}": float(value) for name, value in rows if name in OWN_VM}


def _kept(name: str) -> bool:
    return name.startswith(KEPT) or name.removeprefix("vm.") in KEPT_VM
