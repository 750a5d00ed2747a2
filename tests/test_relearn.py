"""Learning from outcomes: it helps with a workload never seen, and does no harm elsewhere."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlproxy.clustered import Clustered
from mlproxy.dataset import Record
from mlproxy.errors import ConfigError, NoBetter
from mlproxy.experience import read_experience
from mlproxy.outcomes import FORMAT
from mlproxy.relearn import Comparison, compare, is_validation, judged_by, relearn
from mlproxy.scores import regrets
from tests.recorded import of_device, readahead, recorded

ADAPTER = readahead()
FAMILY = "runs"
BASELINE = 128
ACT = math.log(1.05)


def entries(records: Sequence[Record], seed: int = 1) -> Iterator[dict[str, Any]]:
    """What an agent that draws its proposals evenly would have logged of measured rows: windows at
    the baseline, one other value at a time, and the gain that was measured for it."""
    chance = random.Random(seed)
    by_group: dict[str, list[Record]] = {}
    for record in records:
        by_group.setdefault(record.group, []).append(record)
    for group, members in sorted(by_group.items()):
        base = [r for r in members if r.setting["read_ahead_kb"] == BASELINE]
        others = [r for r in members if r.setting["read_ahead_kb"] != BASELINE]
        reference = sum(math.log(r.metrics["progress"]) for r in base) / len(base)
        for number, other in enumerate(others):
            window = chance.choice(chance.choice(base).windows)
            id = f"{group.replace('/', '-')}-{number}"
            yield {
                "kind": "decision",
                "id": id,
                "proxy": "readahead.8:0",
                "device": "sda",
                "adapter": "readahead",
                "action": "apply",
                "knob": "read_ahead_kb",
                "proposed": other.setting["read_ahead_kb"],
                "features": dict(window),
                "setting": {"read_ahead_kb": BASELINE},
                "baselines": {"read_ahead_kb": BASELINE},
                "explored": True,
                "propensity": 0.02 / 7,
            }
            yield {
                "kind": "measured",
                "recommendation": id,
                "treated": dict(other.setting),
                "pairs": 8,
                "mean_log": math.log(other.metrics["progress"]) - reference,
                "variance_log": 0.01,
                "same_phase": True,
            }


def log_of(folder: Path, records: Sequence[Record]) -> Path:
    path = folder / "outcomes.jsonl"
    lines = ({"format": FORMAT, "time_s": 0.0, **each} for each in entries(records))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_outcomes_of_a_family_never_seen_help_on_another_device(tmp_path: Path) -> None:
    """An agent met the family on one device; where one that never did starts out from the
    baseline on another device, it now misses less."""
    rows = of_device("ssd-5ms")
    known = [record for record in rows if record.family != FAMILY]
    met = [record for record in rows if record.family == FAMILY]
    other = [
        record if record.setting["read_ahead_kb"] == BASELINE else replace(record, windows=())
        for record in recorded()
        if record.family == FAMILY and record.group.startswith("ssd-dilated/")
    ]
    outcomes = read_experience(ADAPTER, [log_of(tmp_path, met)]).records
    before, _ = regrets(judged_by(ADAPTER, known, other, 1), ACT)
    after, _ = regrets(judged_by(ADAPTER, [*known, *outcomes], other, 1), ACT)
    assert before.mean() > 0.2
    assert after.mean() < 0.8 * before.mean()


def test_a_model_that_does_not_lose_is_written_and_both_numbers_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlproxy.relearn.SEEDS", 1)
    monkeypatch.setattr("mlproxy.relearn.ALLOWED_LOG", math.inf)
    monkeypatch.setattr("mlproxy.relearn.clustered_ratio", lambda *_: Clustered(0, -1, 1, 9, 9))
    rows = of_device("ssd-5ms", every=6)
    outcomes = read_experience(ADAPTER, [log_of(tmp_path, rows)]).records
    manifest, found = relearn(ADAPTER, rows, outcomes, tmp_path / "model")
    assert (tmp_path / "model/model.ubj").exists()
    assert any(name.startswith("sda/readahead.8:0#") for name in manifest.groups)
    assert found.said().count("%") == 2


def test_outcomes_that_lie_are_not_learned_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlproxy.relearn.SEEDS", 1)
    rows = of_device("ssd-5ms", every=2)
    path = log_of(tmp_path, rows)
    lies = [json.loads(line) for line in path.read_text().splitlines()]
    for each in lies:
        if each["kind"] == "measured":
            each |= {"mean_log": -3 * each["mean_log"], "pairs": 64}
    path.write_text("".join(json.dumps(line) + "\n" for line in lies))
    outcomes = read_experience(ADAPTER, [path]).records
    with pytest.raises(NoBetter, match=r"without the outcomes, .* with them: nothing was written"):
        relearn(ADAPTER, rows, outcomes, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert NoBetter.exit_code == 10


def test_the_validation_workloads_are_always_the_same_and_on_every_device() -> None:
    groups = {record.group for record in recorded()}
    kept = {group for group in groups if is_validation(group)}
    assert 0.1 < len(kept) / len(groups) < 0.4
    assert {"ssd-5ms/" + name.partition("/")[2] for name in kept} & groups <= kept


@pytest.mark.parametrize(
    ("after", "lower", "lost"),
    [(0.1, -0.1, False), (0.12, 0.001, True), (0.12, -0.01, False), (0.16, -0.01, True)],
)
def test_worse_is_what_is_sure_or_more_than_noise(after: float, lower: float, lost: bool) -> None:
    assert Comparison(0.1, after, lower, 100, 10).lost is lost


def test_without_outcomes_or_workloads_to_validate_it_says_so(tmp_path: Path) -> None:
    rows = of_device("ssd-5ms", every=8)
    with pytest.raises(ConfigError, match="no trial to learn from"):
        relearn(ADAPTER, rows, [], tmp_path / "model")
    one = [record for record in rows if not is_validation(record.group)]
    with pytest.raises(ConfigError, match="too few recorded workloads"):
        compare(ADAPTER, one, one[:2])
