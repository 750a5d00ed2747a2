"""The gate keeps its promises whatever the inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlproxy.gate import History, Range, gate
from mlproxy.knob import Value
from mlproxy.mode import Mode
from mlproxy.policy import Policy
from mlproxy.recommendation import Recommendation
from mlproxy.trust import Regression

GOOD = Recommendation(
    id="00000000",
    proxy="readahead.7:0",
    device="loop0",
    knob="read_ahead_kb",
    current=128,
    proposed=512,
    baseline=128,
    gain_log=math.log(1.5),
    lower_log=math.log(1.3),
    current_gain_log=0.0,
    confidence=0.9,
    why="",
    model="m",
    distance=0.4,
)

numbers = st.floats(allow_nan=True, allow_infinity=True)
values: st.SearchStrategy[Value] = st.one_of(
    st.integers(-(2**63), 2**64),
    st.sampled_from(["none", "bfq", "kyber", ""]),
    st.sampled_from([4, 128, 512]),
)
bounds = st.one_of(st.none(), st.integers(-10, 10_000))
ranges = st.builds(
    Range, bounds, bounds, st.sampled_from([(), ("none",), ("none", "bfq"), ("kyber", "bfq")])
)
shares = st.one_of(st.none(), numbers)
recs = st.builds(
    replace,
    st.just(GOOD),
    knob=st.sampled_from(["read_ahead_kb", "read_ahead_kb", "scheduler", "unknown"]),
    current=values,
    proposed=values,
    baseline=values,
    gain_log=numbers | st.floats(0, 2),
    lower_log=numbers | st.floats(0, 2),
    current_gain_log=numbers | st.floats(-1, 1),
    confidence=numbers | st.just(0.95),
    distance=numbers | st.floats(0, 1),
)
histories = st.builds(
    History,
    mode=st.sampled_from(Mode),
    paused=st.sampled_from(["", "", "kill switch"]),
    stood_down=st.sampled_from(["", "", "512"]),
    overrides=st.integers(0, 4),
    missing=st.sampled_from([(), (), ("x",)]),
    window_age_s=numbers | st.just(0.0),
    kernel=ranges,
    adapter=ranges,
    grid=st.lists(values, max_size=5).map(tuple),
    trusted=st.booleans(),
    memory_pressure=shares,
    io_pressure=shares,
    regressions=st.lists(
        st.builds(Regression, values, st.just("up"), numbers, numbers), max_size=2
    ).map(tuple),
    since_change_s=numbers | st.just(math.inf),
    phase_changed=st.booleans(),
)


def make_policy(low: int, width: int, way: str, pressed: dict[str, str]) -> Policy:
    read_ahead = {"min": low, "max": low + width}
    knobs: dict[str, Any] = {
        "read_ahead_kb": read_ahead,
        "scheduler": {"allow": ["none", "kyber"]},
    }
    gate_keys = {"out_of_range": way, **pressed}
    head = {"apiVersion": "mlproxy/v1", "adapter": "readahead"}
    return Policy.model_validate({**head, "knobs": knobs, "gate": gate_keys})


policies = st.sampled_from(
    [
        make_policy(low, width, way, pressed)
        for low in (0, 4, 4096)
        for width in (0, 512, 8192)
        for way in ("refuse", "hold")
        for pressed in ({}, {"max_memory_pressure": "10%"}, {"max_io_pressure": "10%"})
    ]
)


def is_legal(value: Value, rec: Recommendation, policy: Policy, history: History) -> bool:
    knob = policy.knobs[rec.knob]
    for each in (history.kernel, history.adapter, Range(knob.min, knob.max, knob.allow or ())):
        if each.choices and value not in each.choices:
            return False
        if isinstance(value, int):
            low = -math.inf if each.minimum is None else each.minimum
            high = math.inf if each.maximum is None else each.maximum
            if not low <= value <= high:
                return False
    return True


@settings(max_examples=400, deadline=None)
@given(recs, policies, histories)
def test_nothing_applies_outside_the_ranges_or_on_a_number_that_is_none(
    rec: Recommendation, policy: Policy, history: History
) -> None:
    verdict = gate(rec, policy, history)
    assert verdict.rule
    assert verdict.reason
    if verdict.action == "apply":
        assert is_legal(rec.proposed, rec, policy, history)
        assert all(map(math.isfinite, (rec.gain_log, rec.lower_log, rec.current_gain_log)))
        assert not history.paused
        assert history.mode is not Mode.EMERGENCY


@settings(max_examples=100, deadline=None)
@given(recs, policies, histories)
def test_a_kill_switch_always_wins(rec: Recommendation, policy: Policy, history: History) -> None:
    assert gate(rec, policy, replace(history, paused="touched")).rule == "paused"


@settings(max_examples=100, deadline=None)
@given(recs, policies, histories, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_gains_that_are_no_numbers_never_apply(
    rec: Recommendation, policy: Policy, history: History, odd: float
) -> None:
    for name in ("gain_log", "lower_log", "current_gain_log", "distance"):
        broken = replace(rec, **{name: odd})  # type: ignore[arg-type]
        assert gate(broken, policy, history).action != "apply"
