"""The loop with an adapter of several knobs that disturb each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.columns import Matrix, column_names
from mlproxy.knob import Setting, Value
from mlproxy_iosched import IoschedAdapter
from tests.faults import IOSCHED, NR_REQUESTS, SCHEDULER, SCHEDULERS, values
from tests.world import Anywhere, World, make_policy, make_seat

BASELINE: Setting = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}
BUSY = {
    "disk.read_ios": 1000.0,
    "disk.write_ios": 500.0,
    "disk.read_sectors": 8000.0,
    "disk.write_sectors": 64000.0,
    "disk.read_ticks_ms": 5000.0,
    "disk.write_ticks_ms": 9000.0,
    "disk.io_ticks_ms": 1000.0,
}


class Table:
    """A model whose scores are a function of the candidate setting."""

    digest = "cafe00000000"

    def __init__(self, score: Callable[[str, int], float]) -> None:
        self.domain = Anywhere()
        self.score = score
        names = column_names(IoschedAdapter.schema.names(), IoschedAdapter.knobs)
        self._at = {name: place for place, name in enumerate(names)}

    @staticmethod
    def knows(knob: str, value: Value) -> bool:
        """It has tried everything."""
        return True

    def predict(self, rows: Matrix, confidence: float) -> tuple[NDArray[Any], NDArray[Any]]:
        median = np.array([self._score(row) for row in rows])
        return median, median - 0.01

    def _score(self, row: NDArray[np.float32]) -> float:
        return self._of(row, "candidate") - self._of(row, "current")

    def _of(self, row: NDArray[np.float32], kind: str) -> float:
        scheduler = SCHEDULERS[int(row[self._at[f"{kind}.scheduler"]])]
        return self.score(scheduler, int(row[self._at[f"{kind}.nr_requests"]]))


def iosched(
    folder: Path, score: Callable[[str, int], float], baseline: Setting = BASELINE, **policy: Any
) -> World:
    """A world whose one seat is the queue of sda."""
    rules = make_policy("iosched", gate={"dwell": "0s"}, **policy)
    model = Table(score)
    seat = make_seat(rules, model, baseline, IoschedAdapter(), IOSCHED)
    world = World(folder, seats=[seat], model=model)  # type: ignore[arg-type]
    world.machine.rates = lambda workload, value: BUSY if workload == "random" else {}
    return world


def both(scheduler: str, depth: int) -> float:
    """mq-deadline helps, a shallow queue helps more."""
    return (0.3 if scheduler == "mq-deadline" else 0.0) + (0.5 if depth == 8 else 0.0)


def test_two_knobs_are_held_at_once(tmp_path: Path) -> None:
    world = iosched(tmp_path, both)
    world.run(20)
    held = values(world.machine.root)
    assert (held["scheduler"], held["nr_requests"]) == ("mq-deadline", 8)
    ruling = world.controller.ruling
    assert ruling is not None
    assert ruling.treated == {"scheduler": "mq-deadline", "nr_requests": 8}
    assert world.records("stand-down") == []
    world.stop()
    assert values(world.machine.root) == {"read_ahead_kb": 128, "depth": 64, **BASELINE}


def test_a_switch_of_the_scheduler_keeps_the_siblings_at_their_values(tmp_path: Path) -> None:
    world = iosched(tmp_path, lambda scheduler, depth: float(scheduler == "mq-deadline"))
    world.run(20)
    held = values(world.machine.root)
    assert (held["scheduler"], held["nr_requests"], held["wbt_lat_usec"]) == (
        "mq-deadline",
        64,
        2000,
    )


def test_a_sibling_that_the_policy_does_not_name_gets_its_baseline_back(tmp_path: Path) -> None:
    world = iosched(
        tmp_path,
        lambda scheduler, depth: float(scheduler == "mq-deadline"),
        knobs={"scheduler": {"allow": ["none", "mq-deadline"]}},
    )
    world.run(20)
    assert values(world.machine.root)["scheduler"] == "mq-deadline"
    assert values(world.machine.root)["nr_requests"] == 64
    assert world.records("stand-down") == []


def test_the_longest_settling_of_all_that_was_changed_is_awaited(tmp_path: Path) -> None:
    world = iosched(tmp_path, lambda scheduler, depth: float(scheduler == "mq-deadline"))
    while not world.kernel.writes:
        world.run(0.5)
    changed_ns = world.machine.now_ns
    assert world.controller.watch.settled_ns >= changed_ns + 1.5e9


def test_what_became_a_loss_together_is_taken_back_knob_by_knob(tmp_path: Path) -> None:
    world = iosched(tmp_path, both)
    world.run(20)

    def worse_alone(scheduler: str, depth: int) -> float:
        away = (scheduler != "none") + (depth != 64)
        return {0: 0.0, 1: -0.4, 2: -0.2}[away]

    world.model.score = worse_alone
    world.run(30)
    held = values(world.machine.root)
    assert (held["scheduler"], held["nr_requests"]) == ("none", 64)
    assert world.controller.ruling is None


def test_no_write_is_repeated_once_the_goal_is_reached(tmp_path: Path) -> None:
    world = iosched(tmp_path, both)
    world.run(20)
    written = len(world.kernel.writes)
    world.run(60)
    assert len(world.kernel.writes) == written
    assert {path for _, path, _ in world.kernel.writes} <= {
        SCHEDULER,
        NR_REQUESTS,
        *IOSCHED.knobs.values(),
    }


def test_the_administrators_scheduler_ends_the_ruling_and_stays(tmp_path: Path) -> None:
    world = iosched(tmp_path, both)
    world.run(20)
    world.kernel.store(SCHEDULER, "kyber")
    world.run(10)
    world.stop()
    assert values(world.machine.root)["scheduler"] == "kyber"
    assert "kyber" in world.controller.stood_down


def test_a_scheduler_under_which_the_baseline_depth_is_illegal(tmp_path: Path) -> None:
    """The kernel refuses the depth of a sibling: stood down, everything back, and said."""
    world = iosched(
        tmp_path,
        lambda scheduler, depth: float(scheduler == "none"),
        {"scheduler": "mq-deadline", "nr_requests": 2048, "wbt_lat_usec": 2000},
    )
    root = world.machine.root
    world.kernel.store(SCHEDULER, "mq-deadline")
    world.machine.admin("2048", NR_REQUESTS)
    world.machine.admin("2000", IOSCHED.knobs["wbt_lat_usec"])
    world.run(20)
    assert "cannot set nr_requests" in world.controller.stood_down
    assert values(root)["scheduler"] == "mq-deadline"
