"""Outcome logs as records: what was seen, tried and measured, and what teaches nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlproxy.dataset import build_dataset
from mlproxy.errors import ConfigError
from mlproxy.experience import MOST_WEIGHT, experiences, read_experience
from mlproxy.outcomes import FORMAT
from tests.surrogate import ADAPTER
from tests.test_judgement import FEATURES
from tests.world import World


def decision(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "decision",
        "id": "1a2b",
        "proxy": "readahead.8:0",
        "device": "sda",
        "adapter": "readahead",
        "action": "apply",
        "knob": "read_ahead_kb",
        "proposed": 16,
        "features": FEATURES.model_dump(),
        "setting": {"read_ahead_kb": 128},
        "baselines": {"read_ahead_kb": 128},
        "propensity": 0.98,
        **fields,
    }


def trial(kind: str = "trial", **fields: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "recommendation": "1a2b",
        "treated": {"read_ahead_kb": 16},
        "pairs": 12,
        "mean_log": 0.7,
        "variance_log": 0.02,
        "same_phase": True,
        **fields,
    }


def test_a_trial_becomes_two_records_of_one_group() -> None:
    ((base, treated),) = experiences(ADAPTER, [decision(), trial()])
    assert base.group == treated.group == "sda/readahead.8:0#1a2b"
    assert (base.setting, treated.setting) == ({"read_ahead_kb": 128}, {"read_ahead_kb": 16})
    assert (len(base.windows), len(treated.windows)) == (1, 0)
    assert treated.metrics["progress"] == pytest.approx(math.exp(0.7))
    assert base.variance == 0.0
    assert treated.variance == pytest.approx((11 * 0.02 + 4 * 0.04) / 15 / 12)
    data = build_dataset(ADAPTER, [base, treated])
    np.testing.assert_allclose(data.gain_log, [0.0, 0.7])


def test_what_was_seen_under_the_treated_value_says_what_going_back_costs() -> None:
    ((base, treated),) = experiences(
        ADAPTER, [decision(setting={"read_ahead_kb": 16, "other": 1}), trial()]
    )
    data = build_dataset(ADAPTER, [base, treated])
    assert sorted(data.gain_log) == pytest.approx([-0.7, 0.0])
    assert len(treated.windows) == 1


def test_the_last_word_of_the_same_phase_counts() -> None:
    early, late = trial("measured", pairs=4, mean_log=0.2), trial(same_phase=False, mean_log=9.9)
    ((_, treated),) = experiences(ADAPTER, [decision(), early, late])
    assert treated.metrics["progress"] == pytest.approx(math.exp(0.2))


def test_rare_proposals_weigh_more_up_to_a_limit() -> None:
    for propensity, weight in ((0.5, 2.0), (0.01, MOST_WEIGHT), (1.0, 1.0)):
        ((base, treated),) = experiences(ADAPTER, [decision(propensity=propensity), trial()])
        assert base.weight == treated.weight == pytest.approx(weight)


def test_together_trials_weigh_no_more_than_rows(tmp_path: Path) -> None:
    entries = [
        each
        for n in range(10)
        for each in (
            decision(id=str(n), propensity=0.9 if n else 0.01),
            trial(recommendation=str(n)),
        )
    ]
    log = tmp_path / "outcomes.jsonl"
    log.write_text("".join(json.dumps({"format": FORMAT, "time_s": 0} | e) + "\n" for e in entries))
    weights = [record.weight for record in read_experience(ADAPTER, [log]).records]
    assert sum(weights) == pytest.approx(20)
    assert max(weights) / min(weights) == pytest.approx(MOST_WEIGHT * 0.9)


def test_few_pairs_are_not_as_sure_as_they_look() -> None:
    ((_, treated),) = experiences(ADAPTER, [decision(), trial(pairs=2, variance_log=0.0)])
    assert treated.variance is not None
    assert treated.variance > 0.015


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (decision(), trial(recommendation="other"), "untested"),
        (decision(), trial(pairs=1), "too few pairs"),
        (decision(), trial(mean_log=None), "incomplete"),
        (decision(features={"frob": 1.0}), trial(), "other features"),
        (decision(setting={"read_ahead_kb": 64}), trial(), "seen at a third value"),
        (decision(propensity=0), trial(), "incomplete"),
        (decision(baselines=None), trial(), "incomplete"),
        (decision(), trial(treated=None), "incomplete"),
    ],
)
def test_what_teaches_nothing_is_counted_with_its_reason(
    first: dict[str, Any], second: dict[str, Any], why: str
) -> None:
    assert list(experiences(ADAPTER, [first, second])) == [why]


def test_others_decisions_and_those_that_applied_nothing_are_passed_over() -> None:
    entries = [decision(adapter="iosched"), decision(action="hold"), trial()]
    assert list(experiences(ADAPTER, entries)) == []


def test_logs_are_read_from_files_and_state_folders(tmp_path: Path) -> None:
    lines = [{"format": FORMAT, "time_s": 0, **each} for each in (decision(), trial())]
    log = tmp_path / "outcomes.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for source in (tmp_path, log):
        found = read_experience(ADAPTER, [source])
        assert (found.tried, len(found.records), found.skipped) == (1, 2, {})
    for source, said in ((tmp_path / "absent", "cannot read"), (tmp_path / "x", "no outcomes")):
        if said == "no outcomes":
            source.mkdir()
        with pytest.raises(ConfigError, match=said):
            read_experience(ADAPTER, [source])


def test_what_an_agent_logs_can_be_learned_from(tmp_path: Path) -> None:
    """4 and 16 are better than 128 on the machine of these tests, and the log says by how much."""
    world = World(
        tmp_path, start="learning", trust="measured", resolution_s=0.0, trial={"slot": "250ms"}
    )
    world.run(60)
    found = read_experience(ADAPTER, [world.state])
    assert found.tried >= 1
    base, treated = found.records[:2]
    assert base.setting == {"read_ahead_kb": 128}
    value = treated.setting["read_ahead_kb"]
    assert isinstance(value, int)
    wanted = world.model.truth("random", value) - world.model.truth("random", 128)
    assert math.log(treated.metrics["progress"]) == pytest.approx(wanted, abs=0.02)
