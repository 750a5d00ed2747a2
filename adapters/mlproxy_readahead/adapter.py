"""The readahead adapter's declarations."""

from __future__ import annotations

from mlproxy.adapter import Adapter, Missing
from mlproxy.features import FeatureSchema
from mlproxy.knob import Effect, Knob, Setting, Value
from mlproxy.objective import Objective
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Window
from mlproxy_readahead.features import ReadaheadFeatures, read_features

MIN_READS = 12
"""Below this a window says more about chance than about the workload ..."""

MIN_READ_KB = 4096
"""... unless the few are large: a slow device at 8192 KiB completes ten a second."""

READ_AHEAD_KB = Knob(
    name="read_ahead_kb",
    path="read_ahead_kb",
    unit="KiB",
    what="largest window that the kernel reads ahead of a sequential reader or around a fault",
    grid=(4, 16, 32, 64, 128, 512, 2048, 8192),
    effect=Effect.NEW_OPENS,
    cost="about 1 us",
    settle_s=1.5,
    minimum=4,
    maximum=8192,
    special={0: "off"},
    blind=frozenset({4, 8}),
    look=16,
)


class ReadaheadAdapter(Adapter):
    """`read_ahead_kb` of every bdi that a file system uses (mm/readahead.c)."""

    name = "readahead"
    version = "1"
    subject = "bdi"
    knobs = (READ_AHEAD_KB,)
    schema = ReadaheadFeatures
    objective = Objective(
        metric="progress",
        unit="bytes/s",
        what="bytes that the application gets on by, as it counts them itself",
        refused=("device", "psi"),
    )
    note = "read_ahead_kb takes effect for files opened from now on"

    def idle(self, window: Window) -> str | None:
        """Too few reads to tell a pattern from chance."""
        reads = window.delta("disk.read_ios")
        read_kb = (window.delta("disk.read_sectors") or 0.0) / 2
        if reads is None or reads >= MIN_READS or read_kb >= MIN_READ_KB:
            return None
        return f"idle: {reads:.0f} reads in {window.elapsed_s:.1f} s"

    def is_blind(self, features: FeatureSchema, knob: Knob, value: Value) -> bool:
        """A small window hides the pattern from diskstats, not from the requests' places."""
        assert isinstance(features, ReadaheadFeatures)
        return features.run_kb is None and knob.is_blind(value)

    def features(self, window: Window, proxy: Proxy, setting: Setting) -> FeatureSchema:
        """See ReadaheadFeatures. Raises Missing without disk counters."""
        if not window.delta("disk.read_ios"):
            raise Missing("no read counters for this device in /proc/diskstats")
        return read_features(window, float(setting["read_ahead_kb"]))

    def reason(self, features: FeatureSchema, knob: str, current: Value, proposed: Value) -> str:
        """What in the window speaks for the change."""
        assert isinstance(features, ReadaheadFeatures)
        seen = f"{features.read_kb_per_request:.0f} KiB per read request"
        if features.major_faults_per_mb is not None:
            seen += f", {features.major_faults_per_mb:.1f} major faults per MB"
        if features.run_kb is not None:
            seen += f", runs of {features.run_kb:.0f} KiB"
        return f"{seen}, {features.read_wait_ms:.1f} ms each, {features.read_depth:.1f} in flight"
