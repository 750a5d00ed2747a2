"""Evaluation: whole workloads are left out, on every device, and a model that guesses shows."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlproxy import evaluation, training
from mlproxy.errors import ConfigError
from mlproxy.evaluation import cross_judged, evaluate, evaluate_model
from mlproxy.scores import workload_of
from tests.recorded import of_device, readahead
from tests.surrogate import trained

ADAPTER = readahead()
ROWS = of_device("ssd-5ms", every=4) + of_device("ssd-dilated", every=6)


def test_no_model_sees_a_workload_that_it_is_judged_by(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[set[str]] = []
    judged: list[set[str]] = []
    train, judge = evaluation.train, evaluation.judge

    def watched_train(adapter, records, folder, seed):  # type: ignore[no-untyped-def]
        shown.append({workload_of(record.group) for record in records})
        return train(adapter, records, folder, seed)

    def watched_judge(adapter, model, records):  # type: ignore[no-untyped-def]
        judged.append({workload_of(record.group) for record in records})
        return judge(adapter, model, records)

    monkeypatch.setattr(training, "ROUNDS", 5)
    monkeypatch.setattr(evaluation, "train", watched_train)
    monkeypatch.setattr(evaluation, "judge", watched_judge)
    rows = cross_judged(ADAPTER, ROWS)
    assert len(shown) == 5
    assert all(not known & unknown for known, unknown in zip(shown, judged, strict=True))
    assert set.union(*judged) == {workload_of(record.group) for record in ROWS}
    assert len(np.unique(rows.window)) == sum(len(record.windows) for record in ROWS)


def test_a_model_that_knows_something_captures_something() -> None:
    whole, *families = evaluate(ADAPTER, ROWS)
    assert whole.captured.estimate > 0.2
    assert {score.family for score in families} == {record.family for record in ROWS}
    assert sum(score.groups for score in families) == whole.groups


def test_shuffled_results_capture_nothing() -> None:
    chance = random.Random(3)
    metrics = [record.metrics for record in ROWS]
    chance.shuffle(metrics)
    dealt = [replace(r, metrics=m) for r, m in zip(ROWS, metrics, strict=True)]
    whole, *_ = evaluate(ADAPTER, dealt)
    assert abs(whole.captured.estimate) < 0.1


def test_a_given_model_is_judged_only_by_what_it_never_saw(tmp_path: Path) -> None:
    known, other = of_device("ssd-5ms", every=3), of_device("ssd-dilated", every=3)
    model = trained(tmp_path, known)
    whole, *_ = evaluate_model(ADAPTER, model, known + other)
    assert whole.groups == len({record.group for record in other})
    with pytest.raises(ConfigError, match="trained on every group"):
        evaluate_model(ADAPTER, model, known)


def test_one_workload_cannot_be_left_out() -> None:
    with pytest.raises(ConfigError, match="two or more"):
        evaluate(ADAPTER, [record for record in ROWS if record.group == ROWS[0].group])
