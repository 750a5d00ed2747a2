"""A machine in virtual time whose writers fill a device's dirty data, and an agent on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.columns import Matrix, column_names
from mlproxy.knob import Value
from mlproxy.snapshot import Sample
from mlproxy_writeback import WritebackAdapter
from tests.faults import LIMIT, STRICT, WRITEBACK, put
from tests.machine import NS, Machine
from tests.world import Anywhere, World, make_policy, make_seat

WHOLE = 1_000_000
THRESHOLD_KB, SPEED_KB_S, MEMORY_KB_S = 1_000_000.0, 20_000.0, 1_000_000.0
STEP_S = 0.05


class BacklogMachine(Machine):
    """One 20 MB/s disk below 1 GB of dirty threshold.

    Workloads: stream (as fast as it may), overwrite (so much again and again), burst (so much
    as fast as it may, then a pause), idle.
    `starves`: under a strict limit the device writes at half its speed.
    `bursting_s`, `burst_kb_done`: time in bursts, and what was accepted in it.
    """

    def __init__(self, folder: Path) -> None:
        self.backlog_kb = 0.0
        self.stalled_s = self.longest_stall_s = 0.0
        self.starves = False
        self.overwritten_kb = 300_000.0
        self.burst_kb, self.pause_s = 160_000.0, 10.0
        self.memory_kb_s = MEMORY_KB_S
        self.bursting_s = self.burst_kb_done = 0.0
        self._burst_left_kb = self._pause_left_s = 0.0
        super().__init__(folder)
        put(self.root, LIMIT, str(WHOLE))
        put(self.root, STRICT, "0")

    def value(self) -> int:
        """max_ratio_fine in force."""
        return int((self.root / LIMIT).read_text()) if (self.root / LIMIT).exists() else WHOLE

    @property
    def strict(self) -> int:
        """strict_limit in force."""
        return int((self.root / STRICT).read_text()) if (self.root / STRICT).exists() else 0

    def _grow(self, end_ns: int) -> None:
        left_s = max(end_ns - self.now_ns, 0) / NS
        while left_s > 1e-9:
            step_s = min(left_s, STEP_S)
            self._pass(step_s)
            left_s -= step_s
        self.now_ns = max(end_ns, self.now_ns)

    def _pass(self, step_s: float) -> None:
        limit = THRESHOLD_KB * (self.value() / WHOLE if self.strict else 1.0)
        speed = SPEED_KB_S / 2 if self.strict and self.starves else SPEED_KB_S
        written = min(self.backlog_kb, speed * step_s)
        dirtied = min(self._wants(step_s, written), self._accepts(limit, speed * step_s) + written)
        if self.strict and self.backlog_kb >= limit:
            dirtied = 0.0
        dirtied = max(dirtied, 0.0)
        self._burst(dirtied, step_s)
        stream = self.workload == "stream"
        self.stalled_s = self.stalled_s + step_s if stream and not dirtied else 0.0
        self.longest_stall_s = max(self.longest_stall_s, self.stalled_s)
        self.backlog_kb += dirtied - written
        grown = {
            "bdi.dirtied_kb": dirtied,
            "bdi.written_kb": written,
            "disk.write_sectors": written * 2,
            "disk.write_ios": written / 512,
            "disk.io_ticks_ms": 1000 * step_s if written else 0.0,
            "vm.pgsteal_file": 0.0 if self.workload == "overwrite" else dirtied / 4,
            "vm.pgpgin": 0.0,
        }
        for name, amount in grown.items():
            self.counters[name] = self.counters.get(name, 0.0) + amount
        self.counters |= {
            "bdi.reclaimable_kb": self.backlog_kb,
            "bdi.writeback_kb": 0.0,
            "bdi.host_thresh_kb": THRESHOLD_KB,
            "bdi.host_background_kb": THRESHOLD_KB / 2,
            "vm.nr_dirty": self.backlog_kb / 4,
            "vm.nr_writeback": 0.0,
            "bdi.thresh_kb": THRESHOLD_KB,
            "bdi.bandwidth_kb_s": SPEED_KB_S,
            "vm.nr_active_file": 0.0,
            "vm.nr_inactive_file": 0.0,
        }

    def _accepts(self, limit: float, writes: float) -> float:
        """Net growth that the kernel allows: free to 3/4 of the limit, then less and less of the
        device's speed (mm/page-writeback.c, pos_ratio_polynom)."""
        free = 0.75 * limit
        if self.backlog_kb < free:
            return free - self.backlog_kb
        share = 1.0 + ((free - self.backlog_kb) / (limit - free)) ** 3
        return (max(share, 0.0) - 1.0) * writes

    def _wants(self, step_s: float, written: float) -> float:
        if self.workload == "overwrite":
            return max(self.overwritten_kb - self.backlog_kb + written, 0.0)
        if self.workload == "burst":
            return min(self._burst_left_kb, self.memory_kb_s * step_s)
        return self.memory_kb_s * step_s if self.workload == "stream" else 0.0

    def _burst(self, dirtied: float, step_s: float) -> None:
        """Once a burst is through it pauses, and then begins anew."""
        if self.workload != "burst":
            return
        if self._burst_left_kb > 0:
            self.bursting_s, self.burst_kb_done = (
                self.bursting_s + step_s,
                self.burst_kb_done + dirtied,
            )
            self._burst_left_kb -= dirtied
            self._pause_left_s = self.pause_s
        else:
            self._pause_left_s -= step_s
            if self._pause_left_s <= 0:
                self._burst_left_kb = self.burst_kb


class Judge:
    """A model that knows: new pages gain by a limit, overwritten ones lose."""

    digest = "0123456789ab"

    def __init__(self) -> None:
        self.domain = Anywhere()
        self.doubt = 0.1
        names = column_names(WritebackAdapter.schema.names(), WritebackAdapter().asked)
        self._at = {name: place for place, name in enumerate(names)}

    @staticmethod
    def knows(knob: str, value: Value) -> bool:
        """It has tried everything."""
        return True

    def predict(
        self, rows: Matrix, confidence: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        new = rows[:, self._at["new_share"]] > 0.5
        lower = np.log(
            rows[:, self._at["current.max_ratio_fine"]]
            / rows[:, self._at["candidate.max_ratio_fine"]]
        ).astype(float)
        gain = np.where(new, lower, -3.0 * lower)
        return gain, gain - self.doubt


class BacklogWorld(World):
    """An agent with the writeback adapter on such a machine."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        self.machine: BacklogMachine = BacklogMachine(folder)
        self.kernel = self.machine.kernel
        self.state = folder / "state"
        self.state.mkdir()
        self.resolution_s = None
        rules = make_policy("writeback", **{"look": {"every": "5m"}, **policy})
        baseline = {"max_ratio_fine": WHOLE, "strict_limit": 0}
        self.judge = Judge()
        self.seats = [make_seat(rules, self.judge, baseline, WritebackAdapter(), WRITEBACK)]
        self.start()

    @property
    def limits(self) -> list[int]:
        """What was written to the limit, in order."""
        return self.values(LIMIT)

    def sample(self) -> Sample:
        """The counters of now."""
        return Sample(self.machine.now_ns, dict(self.machine.counters))
