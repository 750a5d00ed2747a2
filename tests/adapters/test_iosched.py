"""The I/O scheduler adapter: features, and the depth that is really in force."""

from __future__ import annotations

import pytest

from mlproxy.adapter import Missing
from mlproxy.policy_file import load_policy
from mlproxy.snapshot import Sample, Window
from mlproxy_iosched import IoschedAdapter
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER
from mlproxy_iosched.features import IoschedFeatures
from tests.faults import IOSCHED
from tests.test_loop_knobs import BASELINE, BUSY

ADAPTER = IoschedAdapter()


def window(**more: float) -> Window:
    grown = {**BUSY, **more}
    return Window(Sample(0, dict.fromkeys(grown, 0.0)), Sample(10**9, grown))


class Files:
    """A queue whose files a test wrote."""

    def __init__(self, scheduler: str, shown: str, **depths: int) -> None:
        self.queue = {"queue/scheduler": scheduler, "queue/nr_requests": shown}
        self.depths = depths

    def read(self, path: str) -> str | None:
        return self.queue.get(path)

    def debug(self, path: str) -> str | None:
        depth = self.depths.get(path.removeprefix("hctx0/"))
        return None if depth is None else f"nr_tags=64\n\nbitmap_tags:\ndepth={depth}\n"


def test_ratios_of_a_window() -> None:
    found = ADAPTER.features(window(), IOSCHED, BASELINE)
    assert isinstance(found, IoschedFeatures)
    assert found.read_share == pytest.approx(2 / 3)
    assert found.read_depth == pytest.approx(5)
    assert found.read_wait_ms == pytest.approx(5)
    assert found.write_kb_per_request == pytest.approx(64)
    assert found.flush_share is None
    assert "5.0 reads and 9.0 writes in flight" in ADAPTER.reason(found, "nr_requests", 64, 8)


def test_only_reads_leave_what_is_of_writes_missing() -> None:
    found = ADAPTER.features(window(**{"disk.write_ios": 0.0}), IOSCHED, BASELINE)
    assert isinstance(found, IoschedFeatures)
    assert found.write_wait_ms is None
    assert found.read_share == 1.0


def test_few_requests_are_idle_and_no_counters_are_missing() -> None:
    few = window(**{"disk.read_ios": 10.0, "disk.write_ios": 9.0})
    assert "19 requests" in str(ADAPTER.idle(few))
    assert ADAPTER.idle(window()) is None
    with pytest.raises(Missing):
        ADAPTER.features(Window(Sample(0, {}), Sample(1, {})), IOSCHED, BASELINE)


@pytest.mark.parametrize(
    ("files", "depth"),
    [
        (Files("[none] kyber", "128", tags=64, sched_tags=8), 64),
        (Files("none [kyber]", "128", tags=64, sched_tags=8), 8),
        (Files("[none] kyber", "128"), None),
    ],
)
def test_the_depth_in_force_is_that_of_the_queue_in_use(files: Files, depth: int | None) -> None:
    assert ADAPTER.effective(files, "nr_requests") == depth
    assert ADAPTER.effective(files, "scheduler") is None


def test_a_hidden_depth_is_repaired_by_another_value_first() -> None:
    lying = Files("[none] kyber", "128", tags=64)
    assert list(ADAPTER.writes(lying, NR_REQUESTS, 128, 128)) == [127, 128]
    honest = Files("[none] kyber", "128", tags=128)
    assert list(ADAPTER.writes(honest, NR_REQUESTS, 128, 128)) == [128]
    assert list(ADAPTER.writes(lying, SCHEDULER, "none", "kyber")) == ["kyber"]


def test_the_objective_carries_the_writers_cost() -> None:
    (guard,) = ADAPTER.objective.guards
    assert guard.metric == "writes_s"
    assert guard.floor >= 0.8
    assert ADAPTER.objective.stock_progress == "disk.read_ios"


def test_what_it_ships_fits_together() -> None:
    policy = load_policy(ADAPTER.home() / "policy.yaml")
    assert policy.adapter == ADAPTER.name
    assert set(policy.knobs) <= {knob.name for knob in ADAPTER.knobs}
    assert all(set(setting) <= set(policy.knobs) for setting in ADAPTER.sweep())
