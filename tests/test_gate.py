"""The gate: every rule is reachable, and says why in words with the values."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlproxy.gate import RULES, History, Range, Verdict, gate
from mlproxy.mode import Mode
from mlproxy.policy import Policy
from mlproxy.recommendation import Doubted, Recommendation
from mlproxy.trust import Regression

GRID = (4, 16, 64, 128, 512, 2048, 8192)
ALLOWED = History(adapter=Range(0, 16384), grid=GRID)
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


def make_policy(knobs: dict[str, Any] | None = None, **rest: Any) -> Policy:
    named = {"read_ahead_kb": {"min": 4, "max": 8192, "max_step": "8x"}}
    document = {"apiVersion": "mlproxy/v1", "adapter": "readahead", "knobs": knobs or named}
    return Policy.model_validate(document | rest)


POLICY = make_policy()
PRESSED = make_policy(gate={"max_memory_pressure": "10%", "max_io_pressure": "20%"})


def test_a_good_recommendation_applies() -> None:
    verdict = gate(GOOD, POLICY, ALLOWED)
    assert (verdict.action, verdict.rule) == ("apply", "gain")
    assert verdict.reason == (
        "read_ahead_kb 128 to 512: predicted +50.0 %, at least +30.0 % over 128"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pairs": 4}, "128 to 512: measured +50.0 %"),
        ({"pairs": 4, "lower_log": -1.0}, "measured gain of read_ahead_kb 512 is +50.0 %"),
        (
            {"current_pairs": 4, "proposed": 128, "current": 512, "current_gain_log": -0.1},
            "now measured at -9.5 %",
        ),
    ],
)
def test_what_slots_measured_is_not_called_predicted(change: dict[str, Any], says: str) -> None:
    assert says in gate(replace(GOOD, **change), POLICY, ALLOWED).reason


DOUBTED = replace(GOOD, proposed=128, doubted=Doubted(16, math.log(2.0), math.log(0.5)))
REGRESSED = (Regression(512, "up", -0.34, 120.0),)
LOSS = replace(GOOD, current=512, proposed=128, current_gain_log=-0.1, gain_log=0.0, lower_log=0.0)
CASES: list[tuple[str, str, str, Recommendation, Policy, History]] = [
    ("paused", "refuse", "kill switch", GOOD, POLICY, replace(ALLOWED, paused="kill switch")),
    ("administrator", "hold", "512", GOOD, POLICY, replace(ALLOWED, stood_down="512 since 10:00")),
    ("contested", "hold", "3 times", GOOD, POLICY, replace(ALLOWED, overrides=3)),
    ("emergency", "refuse", "observe", GOOD, POLICY, replace(ALLOWED, mode=Mode.EMERGENCY)),
    (
        "emergency",
        "refuse",
        "observe",
        GOOD,
        make_policy(mode="emergency", start="emergency"),
        ALLOWED,
    ),
    ("missing", "refuse", "majflt, kb", GOOD, POLICY, replace(ALLOWED, missing=("majflt", "kb"))),
    ("stale", "refuse", "3.1 s old", GOOD, POLICY, replace(ALLOWED, window_age_s=3.1)),
    ("stale", "refuse", "nan s old", GOOD, POLICY, replace(ALLOWED, window_age_s=math.nan)),
    ("prediction", "refuse", "nan", replace(GOOD, gain_log=math.nan), POLICY, ALLOWED),
    ("prediction", "refuse", "1e+03", replace(GOOD, gain_log=1000.0), POLICY, ALLOWED),
    ("prediction", "refuse", "20.1", replace(GOOD, gain_log=20.1), POLICY, ALLOWED),
    ("out-of-range", "refuse", "1.20", replace(GOOD, distance=1.2), POLICY, ALLOWED),
    ("out-of-range", "refuse", "nan", replace(GOOD, distance=math.nan), POLICY, ALLOWED),
    (
        "out-of-range",
        "hold",
        "1.20",
        replace(GOOD, distance=1.2),
        make_policy(gate={"out_of_range": "hold"}),
        ALLOWED,
    ),
    ("no-change", "hold", "already", replace(GOOD, proposed=128), POLICY, ALLOWED),
    ("no-change", "hold", "16 may give 2.0x, at worst -50.0 %", DOUBTED, POLICY, ALLOWED),
    (
        "unclaimed",
        "refuse",
        "does not name max_ratio",
        replace(GOOD, knob="max_ratio"),
        POLICY,
        ALLOWED,
    ),
    ("range", "refuse", "policy's maximum, 8192", replace(GOOD, proposed=8193), POLICY, ALLOWED),
    ("range", "refuse", "policy's minimum, 4", replace(GOOD, proposed=3), POLICY, ALLOWED),
    (
        "range",
        "refuse",
        "kernel's maximum, 256",
        GOOD,
        POLICY,
        replace(ALLOWED, kernel=Range(0, 256)),
    ),
    ("range", "refuse", "adapter's minimum", GOOD, POLICY, replace(ALLOWED, adapter=Range(600))),
    ("range", "refuse", "nobody", replace(GOOD, proposed="bfq"), POLICY, ALLOWED),
    ("withdraw", "apply", "-9.5 %: back to 128", LOSS, POLICY, ALLOWED),
    (
        "withdraw",
        "apply",
        "back to 128",
        replace(LOSS, current=8192),
        POLICY,
        replace(ALLOWED, since_change_s=0.0),
    ),
    ("min-gain", "refuse", "+0.0 %", replace(LOSS, current_gain_log=0.0), POLICY, ALLOWED),
    (
        "min-gain",
        "refuse",
        "+0.0 %",
        replace(LOSS, proposed=2048, current_gain_log=-0.1),
        POLICY,
        ALLOWED,
    ),
    ("max-step", "hold", "a smaller step, 512", replace(GOOD, proposed=2048), POLICY, ALLOWED),
    (
        "max-step",
        "hold",
        "no candidate is nearer",
        replace(GOOD, proposed=2048),
        POLICY,
        replace(ALLOWED, grid=()),
    ),
    ("memory-pressure", "refuse", "10.5 %", GOOD, PRESSED, replace(ALLOWED, memory_pressure=0.105)),
    ("memory-pressure", "refuse", "cannot be read", GOOD, PRESSED, ALLOWED),
    (
        "io-pressure",
        "refuse",
        "20.1 %",
        GOOD,
        PRESSED,
        replace(ALLOWED, memory_pressure=0.1, io_pressure=0.201),
    ),
    ("regression", "refuse", "-34.0 %", GOOD, POLICY, replace(ALLOWED, regressions=REGRESSED)),
    ("early", "hold", "2 s; 5 s", GOOD, POLICY, replace(ALLOWED, early="it has lasted 2 s; 5 s")),
    ("dwell", "hold", "9.9 s ago", GOOD, POLICY, replace(ALLOWED, since_change_s=9.9)),
    ("dwell", "hold", "9.9 s", GOOD, POLICY, replace(ALLOWED, since_change_s=9.9, onward=True)),
    ("dwell", "hold", "9.9 s", GOOD, POLICY, replace(ALLOWED, since_change_s=9.9, trusted=True)),
    (
        "undecided",
        "hold",
        "measured 2 of 4",
        GOOD,
        POLICY,
        replace(ALLOWED, undecided="slots have measured 2 of 4 pairs of what rules"),
    ),
    ("confidence", "refuse", "0.8,", replace(GOOD, confidence=0.8), POLICY, ALLOWED),
    (
        "min-gain",
        "refuse",
        "surely only +4.0 %",
        replace(GOOD, lower_log=math.log(1.04)),
        POLICY,
        ALLOWED,
    ),
    (
        "worth-it",
        "hold",
        "only +3.4 % over 2048",
        replace(GOOD, current=2048, current_gain_log=math.log(1.45)),
        POLICY,
        ALLOWED,
    ),
]


@pytest.mark.parametrize(("rule", "action", "words", "rec", "policy", "history"), CASES)
def test_each_rule_is_reached_and_says_why(
    rule: str, action: str, words: str, rec: Recommendation, policy: Policy, history: History
) -> None:
    verdict = gate(rec, policy, history)
    assert (verdict.rule, verdict.action) == (rule, action)
    assert words in verdict.reason


def test_the_table_reaches_every_rule() -> None:
    names = {case[0] for case in CASES}
    assert len(names | {"gain"}) == len(RULES)


def test_the_document_names_every_rule() -> None:
    text = (Path(__file__).parents[1] / "docs/safety.md").read_text(encoding="utf-8")
    table = text.partition("## The gate's rules")[2].partition("In learning mode")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert {case[0] for case in CASES} <= named


PASSES: list[tuple[Recommendation, Policy, History]] = [
    (GOOD, POLICY, replace(ALLOWED, overrides=2)),
    (GOOD, POLICY, replace(ALLOWED, window_age_s=3.0)),
    (GOOD, make_policy(interval="2s"), replace(ALLOWED, window_age_s=6.0)),
    (replace(GOOD, gain_log=20.0), POLICY, ALLOWED),
    (replace(GOOD, distance=1.0), POLICY, ALLOWED),
    (replace(GOOD, distance=0.0), POLICY, ALLOWED),
    (replace(GOOD, lower_log=math.log1p(0.05)), POLICY, ALLOWED),
    (GOOD, POLICY, replace(ALLOWED, since_change_s=10.0)),
    (GOOD, POLICY, replace(ALLOWED, since_change_s=0.0, phase_changed=True)),
    (GOOD, POLICY, replace(ALLOWED, since_change_s=0.0, onward=True, trusted=True)),
    (GOOD, PRESSED, replace(ALLOWED, memory_pressure=0.1, io_pressure=0.2)),
    (replace(GOOD, proposed=2048), POLICY, replace(ALLOWED, trusted=True)),
    (GOOD, POLICY, replace(ALLOWED, regressions=(Regression(512, "down", -0.3, 9.0),))),
    (GOOD, POLICY, replace(ALLOWED, regressions=(Regression(2048, "up", -0.3, 9.0),))),
    (replace(GOOD, current=64, current_gain_log=0.0), POLICY, ALLOWED),
]


@pytest.mark.parametrize(("rec", "policy", "history"), PASSES)
def test_what_is_on_the_right_side_of_a_limit_applies(
    rec: Recommendation, policy: Policy, history: History
) -> None:
    assert gate(rec, policy, history).action == "apply"


def test_a_name_is_allowed_by_all_three() -> None:
    policy = make_policy({"scheduler": {"allow": ["none", "kyber"]}})
    history = History(
        kernel=Range(choices=("none", "bfq", "kyber")), adapter=Range(choices=("none", "kyber"))
    )
    rec = replace(GOOD, knob="scheduler", current="none", baseline="none", proposed="kyber")
    assert gate(rec, policy, history).action == "apply"
    bfq, any_name = replace(rec, proposed="bfq"), replace(history, adapter=Range())
    refused = gate(bfq, policy, history)
    assert refused == Verdict("refuse", "range", "scheduler bfq: the adapter allows none, kyber")
    assert "the policy allows none, kyber" in gate(bfq, policy, any_name).reason


def test_a_number_is_no_name() -> None:
    policy = make_policy({"scheduler": {"allow": ["none"]}})
    rec = replace(GOOD, knob="scheduler", proposed=3)
    assert gate(rec, policy, History(adapter=Range(choices=("none",)))).rule == "range"
