"""Every rule of a policy has a case here that breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlproxy.errors import PolicyError
from mlproxy.mode import Mode
from mlproxy.policy import Match, Policy, policy_schema
from mlproxy.policy_file import parse_policies

BASE = {
    "apiVersion": "apiVersion: mlproxy/v1",
    "adapter": "adapter: readahead",
    "knobs": "knobs: {read_ahead_kb: {min: 4, max: 8192}}",
}
MINIMAL: dict[str, Any] = {
    "apiVersion": "mlproxy/v1",
    "adapter": "readahead",
    "knobs": {"read_ahead_kb": {"min": 4, "max": 8192}},
}


def refusal(lines: str) -> str:
    """The message for the minimal policy with `lines` in place of, or after, its own."""
    kept = [text for key, text in BASE.items() if not lines.startswith(f"{key}:")]
    text = "\n".join([*kept, *lines.splitlines()])
    with pytest.raises(PolicyError) as caught:
        parse_policies(text.encode(), Path("p.yaml"))
    return str(caught.value)


BROKEN = [
    # (lines, field, value, what is allowed; the line is the last of the file)
    ("apiVersion: mlproxy/v2", "apiVersion", "'mlproxy/v2'", "mlproxy/v1"),
    ("adapter: 5", "adapter", "'5'", "the name of an installed adapter"),
    ("adapter: a/b", "adapter", "'a/b'", "the name of an installed adapter"),
    ("adapter:", "adapter", "''", "the name of an installed adapter"),
    ("match: all", "match", "'all'", "a mapping with devices and exclude"),
    ("match: {devices: []}", "match.devices", "[]", "a list of at least one glob"),
    ("match: {devices: sda}", "match.devices", "'sda'", "a list of at least one glob"),
    ("match: {devices: [7]}", "match.devices[0]", "'7'", "glob of kernel names"),
    ("match: {devices: ['']}", "match.devices[0]", "''", "glob of kernel names"),
    ("match: {devices: [a, 'b[']}", "match.devices[1]", "'b['", "glob of kernel names"),
    ("match: {devices: [/dev/sda]}", "match.devices[0]", "'/dev/sda'", "without /dev/"),
    ("match: {exclude: [/dev/sda]}", "match.exclude[0]", "'/dev/sda'", "without /dev/"),
    ("mode: full", "mode", "'full'", "emergency, learning, collaboration, recommendation"),
    ("start: off", "start", "'off'", "emergency, learning, collaboration, recommendation"),
    ("mode: learning\nstart: recommendation", "start", "'recommendation'", "emergency, learning"),
    ("trust: blind", "trust", "'blind'", "measured or model"),
    ("interval: 1", "interval", "'1'", "a duration from 100ms to 1h"),
    ("interval: 99ms", "interval", "'99ms'", "a duration from 100ms to 1h"),
    ("lease: 3h\ninterval: 61m", "interval", "'61m'", "a duration from 100ms to 1h"),
    ("interval: -1s", "interval", "'-1s'", "a duration from 100ms to 1h"),
    ("interval: .inf", "interval", "'.inf'", "a duration from 100ms to 1h"),
    ("interval: 1:30", "interval", "'1:30'", "a duration from 100ms to 1h"),
    ("interval: 6s\nlease: 11s", "lease", "'11s'", "at least twice the interval, 12s"),
    ("interval: 100ms\nlease: 100ms", "lease", "'100ms'", "a duration from 200ms to 24h"),
    ("lease: 25h", "lease", "'25h'", "a duration from 200ms to 24h"),
    ("model: ./model", "model", "'./model'", "builtin, or the absolute path"),
    ("knobs: {}", "knobs", "{}", "a mapping of at least one knob"),
    ("knobs: [a]", "knobs", "['a']", "a mapping of at least one knob"),
    ("knobs: {a: 4}", "knobs.a", "'4'", "{min, max, max_step} or {allow}"),
    ("knobs: {a: {min: -1}}", "knobs.a.min", "'-1'", "a whole number from 0"),
    ("knobs: {a: {min: 4KiB}}", "knobs.a.min", "'4KiB'", "a whole number from 0"),
    ("knobs: {a: {min: '4'}}", "knobs.a.min", "'4'", "a whole number from 0"),
    ("knobs: {a: {min: 4.5}}", "knobs.a.min", "'4.5'", "a whole number from 0"),
    ("knobs: {a: {min: true}}", "knobs.a.min", "'true'", "a whole number from 0"),
    ("knobs: {a: {max: 1e4}}", "knobs.a.max", "'1e4'", "a whole number from 0"),
    ("knobs: {a: {max: -1}}", "knobs.a.max", "'-1'", "a whole number from 0, at least min"),
    ("knobs: {a: {min: 9, max: 8}}", "knobs.a.max", "'8'", "a whole number not below min, 9"),
    ("knobs: {a: {max_step: 8}}", "knobs.a.max_step", "'8'", "a factor above 1x"),
    ("knobs: {a: {max_step: 1x}}", "knobs.a.max_step", "'1x'", "a factor above 1x"),
    ("knobs: {a: {max_step: 9999999x}}", "knobs.a.max_step", "'9999999x'", "up to 1000000x"),
    ("knobs: {a: {allow: []}}", "knobs.a.allow", "[]", "a list of at least one word"),
    ("knobs: {a: {allow: bfq}}", "knobs.a.allow", "'bfq'", "a list of at least one word"),
    ("knobs: {a: {allow: ['*']}}", "knobs.a.allow[0]", "'*'", "a list of at least one word"),
    ("knobs: {a: {allow: [b], min: 1}}", "knobs.a", "{'allow': ['b'], 'min': 1}", "not both"),
    ("gate: {min_gain: 0.05}", "gate.min_gain", "'0.05'", "a percentage from 0% to 1000%"),
    ("gate: {min_gain: 1001%}", "gate.min_gain", "'1001%'", "a percentage from 0% to 1000%"),
    ("gate: {min_gain: -5%}", "gate.min_gain", "'-5%'", "a percentage from 0% to 1000%"),
    ("gate: {confidence: 0.49}", "gate.confidence", "'0.49'", "a number from 0.5 to 0.99"),
    ("gate: {confidence: 0.995}", "gate.confidence", "'0.995'", "a number from 0.5 to 0.99"),
    ("gate: {confidence: 90%}", "gate.confidence", "'90%'", "a number from 0.5 to 0.99"),
    ("gate: {confidence: .nan}", "gate.confidence", "'.nan'", "a number from 0.5 to 0.99"),
    ("gate: {dwell: -1s}", "gate.dwell", "'-1s'", "a duration from 0s to 24h"),
    ("gate: {dwell: 25h}", "gate.dwell", "'25h'", "a duration from 0s to 24h"),
    ("gate: {out_of_range: guess}", "gate.out_of_range", "'guess'", "refuse or hold"),
    ("gate: {max_io_pressure: 101%}", "gate.max_io_pressure", "'101%'", "from 0% to 100%"),
    ("gate: {max_memory_pressure: 5}", "gate.max_memory_pressure", "'5'", "from 0% to 100%"),
    ("trial: {slot: 99ms}", "trial.slot", "'99ms'", "a duration from 100ms to 1h"),
    ("trial: {slot: 2h}", "trial.slot", "'2h'", "a duration from 100ms to 1h"),
    ("trial: {seed: -1}", "trial.seed", "'-1'", "a whole number from 0 to 4294967295"),
    ("trial: {seed: 4294967296}", "trial.seed", "'4294967296'", "from 0 to 4294967295"),
    ("look: {every: 500ms}", "look.every", "'500ms'", "a duration from 1s to 24h"),
    ("on_regression: hold", "on_regression", "'hold'", "revert"),
    ("on_exit: hold", "on_exit", "'hold'", "revert or keep"),
]


@pytest.mark.parametrize(("lines", "field", "value", "allowed"), BROKEN)
def test_a_broken_rule_is_one_clear_line(lines: str, field: str, value: str, allowed: str) -> None:
    kept = [key for key in BASE if not lines.startswith(f"{key}:")]
    line = len(kept) + len(lines.splitlines())
    message = refusal(lines)
    assert message.startswith(f"p.yaml:{line}: {field}: value {value} is not allowed: allowed is ")
    assert allowed in message.partition("allowed is ")[2]
    assert "\n" not in message


@pytest.mark.parametrize(
    ("lines", "field", "known"),
    [
        ("modes: learning", "modes", "apiVersion, adapter, match, mode, start"),
        ("interval_s: 1s", "interval_s", "interval, lease"),
        ("source: /etc/passwd", "source", "apiVersion, adapter"),
        ("_origin: 1", "_origin", "apiVersion, adapter"),
        ("match: {device: [a]}", "match.device", "devices, exclude"),
        ("knobs: {a: {mim: 1}}", "knobs.a.mim", "min, max, max_step, allow"),
        ("gate: {min_gian: 5%}", "gate.min_gian", "min_gain, confidence, dwell"),
        ("trial: {slots: 1s}", "trial.slots", "slot, seed"),
        ("look: {slot: 1s}", "look.slot", "every"),
    ],
)
def test_an_unknown_key_lists_the_known_ones(lines: str, field: str, known: str) -> None:
    message = refusal(lines)
    key = field.rpartition(".")[2]
    assert f": {field}: key '{key}' is not allowed: allowed is " in message
    assert known in message


@pytest.mark.parametrize("missing", ["apiVersion", "adapter", "knobs"])
def test_what_has_no_default_must_be_there(missing: str) -> None:
    text = "\n".join(["# a comment", *(v for k, v in BASE.items() if k != missing)])
    with pytest.raises(PolicyError, match=f"p.yaml:2: {missing}: no value is not allowed: allowed"):
        parse_policies(text.encode(), Path("p.yaml"))


def test_a_default_that_breaks_a_rule_is_named_as_one() -> None:
    assert "lease: the default '10s' is not allowed: allowed is at least twice" in refusal(
        "interval: 1m"
    )


def test_a_range_of_one_value_is_a_range() -> None:
    knobs = {"read_ahead_kb": {"min": 64, "max": 64}}
    policy = Policy.model_validate(MINIMAL | {"knobs": knobs})
    assert policy.knobs["read_ahead_kb"].max == 64


def test_a_knob_is_a_word() -> None:
    assert "p.yaml:3: knobs.a b: key 'a b' is not allowed: allowed is a knob's name" in refusal(
        "knobs: {a b: {}}"
    )


def test_defaults_are_those_of_the_design() -> None:
    policy = Policy.model_validate(MINIMAL)
    assert (policy.mode, policy.start, policy.trust) == (
        Mode.RECOMMENDATION,
        "learning",
        "measured",
    )
    assert (policy.interval_s, policy.lease_s, policy.gate.dwell_s) == (1.0, 10.0, 10.0)
    assert (policy.gate.min_gain, policy.gate.confidence) == (0.05, 0.9)
    assert (policy.gate.out_of_range, policy.on_regression, policy.on_exit) == (
        "refuse",
        "revert",
        "revert",
    )
    assert (policy.match.devices, policy.model, policy.objective) == (("*",), "builtin", None)
    assert policy.knobs["read_ahead_kb"].max_step == 8.0
    assert (policy.source, policy.where("mode")) == (None, "policy")


def test_a_policy_cannot_be_changed() -> None:
    policy = Policy.model_validate(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        policy.on_exit = "keep"


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        ({"sda", "sda1"}, True),
        ({"dm-0", "sdb", "/home"}, True),
        ({"nvme0n1"}, False),
        ({"sdz", "sdz1"}, False),
        ({"dm-1", "sda", "sdz1"}, False),
        (set(), False),
    ],
)
def test_an_excluded_name_keeps_the_whole_proxy_out(names: set[str], selected: bool) -> None:
    match = Match.model_validate({"devices": ["sd*"], "exclude": ["sdz*"]})
    assert match.selects(names) is selected


def test_the_schema_shows_units_defaults_and_what_is_allowed() -> None:
    schema = policy_schema()
    interval = schema["properties"]["interval"]
    assert (interval["type"], interval["default"]) == ("string", "1s")
    assert "from 100ms to 1h" in interval["description"]
    assert schema["additionalProperties"] is False
    assert all("description" in item for item in schema["properties"].values())
