"""The I/O scheduler adapter's declarations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlproxy.adapter import Adapter, Missing, ObjectFiles
from mlproxy.features import FeatureSchema
from mlproxy.knob import Effect, Knob, Setting, Unit, Value
from mlproxy.objective import Guard, Objective
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Window
from mlproxy_iosched.depth import depth_in_force, depth_writes
from mlproxy_iosched.features import IoschedFeatures, queue_features

MIN_REQUESTS = 20
FREEZE = "a queue freeze, 16 to 28 ms"

SCHEDULER = Knob(
    name="scheduler",
    path="queue/scheduler",
    unit="",
    what="the elevator that orders requests",
    grid=("none", "mq-deadline", "kyber", "bfq"),
    choices=("none", "mq-deadline", "kyber", "bfq"),
    effect=Effect.AFTER_FREEZE,
    cost=FREEZE,
    settle_s=2.0,
    trial=Unit.EPISODE,
    disturbs=("nr_requests", "wbt_lat_usec"),
)
NR_REQUESTS = Knob(
    name="nr_requests",
    path="queue/nr_requests",
    unit="requests",
    what="requests that may wait in the queue",
    grid=(4, 8, 16, 32, 64, 128, 256),
    effect=Effect.AFTER_FREEZE,
    cost=FREEZE,
    settle_s=0.5,
    minimum=4,
    maximum=1024,
)
WBT_LAT_USEC = Knob(
    name="wbt_lat_usec",
    path="queue/wbt_lat_usec",
    unit="us",
    what="read latency that writeback throttling aims at (block/blk-wbt.c)",
    grid=(),  # the rows it was trained on hold one value: nothing is known of others
    effect=Effect.AFTER_FREEZE,
    cost=FREEZE,
    settle_s=1.0,
    minimum=0,
    maximum=1_000_000,
    special={0: "off"},
)


class IoschedAdapter(Adapter):
    """nr_requests, the elevator and wbt of every leaf disk (block/blk-mq.c, elevator.c)."""

    name = "iosched"
    version = "1"
    subject = "disk"
    knobs = (SCHEDULER, NR_REQUESTS, WBT_LAT_USEC)
    schema = IoschedFeatures
    objective = Objective(
        metric="reads_s",
        unit="1/s",
        what="reads completed: for a reader that waits, the inverse of its latency",
        guards=(Guard("writes_s", 0.85, "writes completed beside the reader", "disk.write_ios"),),
        stock_progress="disk.read_ios",
    )
    note = "writing a queue knob freezes the queue for 16 to 28 ms"

    def idle(self, window: Window) -> str | None:
        """Too few requests to say anything of a queue."""
        done = (window.delta("disk.read_ios") or 0.0) + (window.delta("disk.write_ios") or 0.0)
        if done >= MIN_REQUESTS:
            return None
        return f"idle: {done:.0f} requests in {window.elapsed_s:.1f} s"

    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        """See IoschedFeatures. Raises Missing without disk counters."""
        if window.delta("disk.read_ios") is None or window.delta("disk.write_ios") is None:
            raise Missing("no counters for this disk in /proc/diskstats")
        return queue_features(window)

    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        """What in the window speaks for the change."""
        assert isinstance(features, IoschedFeatures)
        seen = f"{features.read_depth:.1f} reads and {features.write_depth:.1f} writes in flight"
        if features.read_wait_ms is not None:
            seen += f", a read takes {features.read_wait_ms:.1f} ms"
        return seen

    def sweep(self) -> Sequence[Setting]:
        """Depths without a scheduler, and each scheduler at its own depth."""
        bare = [{"scheduler": "none", "nr_requests": depth} for depth in (4, 8, 16, 32, 64, 128)]
        return [
            *bare,
            {"scheduler": "mq-deadline", "nr_requests": 32},
            *({"scheduler": name, "nr_requests": 256} for name in ("mq-deadline", "kyber", "bfq")),
        ]

    def effective(self, files: ObjectFiles, knob: str) -> Value | None:
        """nr_requests from debugfs, where it can be read: sysfs lies under `none`."""
        return depth_in_force(files) if knob == "nr_requests" else None

    def writes(
        self, files: ObjectFiles, knob: Knob, current: Value, proposed: Value
    ) -> Iterator[Value]:
        """A repair first, where sysfs already says the value but the hardware does not."""
        if knob.name == "nr_requests" and isinstance(proposed, int):
            yield from depth_writes(files, proposed)
        else:
            yield proposed
