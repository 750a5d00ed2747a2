"""The writeback adapter's declarations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mlproxy.adapter import Adapter, Missing
from mlproxy.features import FeatureSchema
from mlproxy.knob import Effect, Knob, Setting, Unit, Value
from mlproxy.objective import Guard, Objective
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample, Window
from mlproxy_writeback.backlog import MIN_DIRTIED_KB_S, PAGE_KB, backlog_of, standing
from mlproxy_writeback.features import WHOLE, WritebackFeatures, writeback_features
from mlproxy_writeback.standing import demand_s, left

ROOM = 1.055
"""A limit on its way down lies so much above the backlog. Writers of a strict bdi stand still
from the limit on and run free to 3/4 of it; here, in between, they get on at half the device's
speed (pos_ratio_polynom, mm/page-writeback.c), and the backlog drains with the other half."""

BITS = 6
"""Significant bits of such a limit: each new value costs an fsync of the journal."""

SHRINK = 0.75
"""Step to a lower limit where the backlog is not known."""

FULL = 0.7
"""From this share of the limit on writers are held back (they run free to 3/4 of it), and
what they would write without it does not show."""

PENALTY = 8.0
"""A backlog may be a hundred times smaller: twice the usual weight, so that no such gain makes
up for a writer that gets half accepted."""

LIMIT_KB = "dirty_limit_kb"
"""What class ml_proxy takes: KiB, strict, lowered by the kernel as the backlog drains."""

MAX_RATIO_FINE = Knob(
    name="max_ratio_fine",
    path="max_ratio_fine",
    unit="millionths of the host's dirty threshold",
    what="dirty data that this bdi may hold; with strict_limit the device's writers wait above it",
    grid=tuple(WHOLE >> shift for shift in range(9, 0, -1)),
    effect=Effect.AT_ONCE,
    cost="about 1 us",
    settle_s=1.0,
    minimum=1000,
    maximum=WHOLE,
    special={WHOLE: "no limit of its own"},
    blind=frozenset({WHOLE // 2}),
    trial=Unit.LEASE,
    companions={"strict_limit": 1},
)
STRICT_LIMIT = Knob(
    name="strict_limit",
    path="strict_limit",
    unit="",
    what="1: the bdi's own limit counts, also where the host is far below its own",
    grid=(),  # it goes along with max_ratio_fine
    effect=Effect.AT_ONCE,
    cost="about 1 us",
    settle_s=1.0,
    minimum=0,
    maximum=1,
    trial=Unit.LEASE,
)


class WritebackAdapter(Adapter):
    """`max_ratio_fine` of every bdi that a file system uses (mm/page-writeback.c)."""

    name = "writeback"
    version = "1"
    subject = "bdi"
    # In this order the limit is widened before it stops to be strict.
    knobs = (MAX_RATIO_FINE, STRICT_LIMIT)
    schema = WritebackFeatures
    objective = Objective(
        metric="drains_s",
        unit="1/s",
        what="one over the time that the backlog takes to be written: sync, umount, shutdown",
        guards=(
            Guard(
                metric="accepted",
                floor=0.98,
                what="bytes accepted",
                counter="bdi.dirtied_kb",
                cap="bdi.written_kb",
                penalty=PENALTY,
            ),
            Guard(
                metric="written",
                floor=0.95,
                what="bytes written",
                counter="disk.write_sectors",
                ceiling=1.5,
                penalty=PENALTY,
            ),
        ),
        refused=("device", "psi"),
    )
    reads = frozenset({"bdi"})
    class_knobs = (LIMIT_KB,)
    class_features = ("accepted_pages", "written_pages", "backlog_pages", "pauses", "pause_ns")
    aims = {"max_drain_s": 5.0}
    wait_s = 5.0
    note = "a limit is lowered step by step, as the backlog drains: only `mlproxy run` does that"

    def idle(self, window: Window) -> str | None:
        """Nobody writes, whatever is still being written back."""
        dirtied_kb = _dirtied_kb(window)
        if dirtied_kb is None or dirtied_kb >= MIN_DIRTIED_KB_S * window.elapsed_s:
            return None
        return f"idle: {dirtied_kb / 1024:.1f} MiB were dirtied in {window.elapsed_s:.1f} s"

    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        """See WritebackFeatures. Raises Missing where nobody can tell whose data is dirty."""
        return writeback_features(window, float(setting["max_ratio_fine"]))

    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        """What in the window speaks for the change."""
        assert isinstance(features, WritebackFeatures)
        threshold_s, speed = features.threshold_s, features.bandwidth_mb_s
        if threshold_s is None or speed is None:
            return f"{features.backlog_share:.0%} of the host's dirty threshold wait"
        waits_s = features.backlog_share * threshold_s
        limit_s = int(proposed) / WHOLE * threshold_s
        return (
            f"{waits_s * speed:.0f} MB wait, {waits_s:.1f} s at {speed:.0f} MB/s; "
            f"{proposed} is {limit_s * speed:.0f} MB, {limit_s:.1f} s"
        )

    def suits(
        self, features: FeatureSchema, knob: Knob, value: Value, aims: Mapping[str, float]
    ) -> bool:
        """The largest candidate that drains within `max_drain`: smaller ones only cost more.
        None where less waits than that."""
        assert isinstance(features, WritebackFeatures)
        if features.threshold_s is None or features.backlog_share * WHOLE <= int(value):
            return False
        limit_s = features.threshold_s * int(value) / WHOLE
        return aims["max_drain_s"] / 2 < limit_s <= aims["max_drain_s"]

    def demand_s(self, windows: Sequence[Window]) -> float:
        """How long a stream has stood at the host's threshold."""
        return demand_s(windows)

    def left(self, windows: Sequence[Window], setting: Setting) -> str:
        """The stream has ended: what comes now may need the memory."""
        return left(windows, float(setting["max_ratio_fine"]))

    def approach(self, knob: Knob, sample: Sample, current: Value, goal: Value) -> Value:
        """Down as the backlog drains: at once, writers would wait for minutes. Strict no sooner
        than the backlog is below the bdi's share of the host's threshold, which counts then."""
        seen = standing(sample.values)
        if knob.name == STRICT_LIMIT.name:
            share = sample.values.get("bdi.thresh_kb")
            full = seen is not None and share is not None and seen[0] >= share
            return current if full else goal
        if int(goal) >= int(current):
            return goal
        if seen is None:
            return max(int(goal), int(int(current) * SHRINK))
        backlog, threshold = seen
        step = _coarse(int(backlog * ROOM / threshold * WHOLE))
        return max(int(goal), min(step, int(current)))

    def to_class(self, setting: Setting, values: Mapping[str, float]) -> Mapping[str, Value]:
        """The share as KiB of the threshold of now. Raises: Missing without debugfs."""
        share, seen = int(setting["max_ratio_fine"]), standing(values)
        baseline = values.get(f"kernel.{LIMIT_KB}.baseline")
        if share == WHOLE and baseline is not None:
            return {LIMIT_KB: int(baseline)}
        if seen is None:
            raise Missing("no bdi/*/stats: nobody knows how much a share of the threshold is")
        return {LIMIT_KB: _coarse(int(seen[1] * share / WHOLE) // PAGE_KB * PAGE_KB)}

    def from_class(self, held: Mapping[str, int], values: Mapping[str, float]) -> Setting:
        """The candidate next to a limit: the threshold may have moved since."""
        limit_kb, seen = held[LIMIT_KB], standing(values)
        if seen is None or limit_kb >= values.get(f"kernel.{LIMIT_KB}.baseline", math.inf):
            return {"max_ratio_fine": WHOLE, "strict_limit": 0}
        share = math.log(limit_kb / seen[1] * WHOLE)
        nearest = min(map(int, MAX_RATIO_FINE.grid), key=lambda v: abs(math.log(v) - share))
        return {"max_ratio_fine": nearest, "strict_limit": 1}

    def is_blind(self, features: FeatureSchema, knob: Knob, value: Value) -> bool:
        """A limit that is reached hides the demand: stream, burst and overwriter look alike."""
        assert isinstance(features, WritebackFeatures)
        return knob.is_blind(value) and features.limit_used >= FULL

    def teaches(self, features: FeatureSchema, setting: Setting) -> bool:
        """What is blind is kept in force, not asked about."""
        return not self.is_blind(features, MAX_RATIO_FINE, setting["max_ratio_fine"])

    def look_from(self, knob: Knob, value: Value) -> Value | None:
        """Twice the limit: lifted at once, a writer would fill the memory during one look."""
        return min(int(value) * 2, WHOLE) if knob.name == MAX_RATIO_FINE.name else None

    def sweep(self) -> Sequence[Setting]:
        """Every limit, strict, and none."""
        limited: list[Setting] = [
            {"max_ratio_fine": value, "strict_limit": 1} for value in MAX_RATIO_FINE.grid
        ]
        return [*limited, {"max_ratio_fine": WHOLE, "strict_limit": 0}]


def _coarse(value: int) -> int:
    """The next value above that has BITS significant bits."""
    shift = max(value.bit_length() - BITS, 0)
    return -(-value >> shift) << shift


def _dirtied_kb(window: Window) -> float | None:
    """What was dirtied, on the whole host where nobody can tell where."""
    try:
        return backlog_of(window).dirtied
    except Missing:
        pages = window.delta("vm.nr_dirtied")
        return None if pages is None else pages * PAGE_KB
