"""Recorded writers before the shipped model and policy: streams are limited soon, bursts never.

Without patience the model alone is too eager and, once it has doubts, too timid.
"""

from __future__ import annotations

import gzip
import json
import math
from functools import cache
from pathlib import Path

import pytest

from mlproxy.controller import Controller
from mlproxy.decide import recommend
from mlproxy.judgement import Judgement
from mlproxy.mode import Mode
from mlproxy.model import Model, load_model
from mlproxy.policy_file import load_policy
from mlproxy.snapshot import Sample
from mlproxy.trust import TrustStore
from mlproxy_writeback import WritebackAdapter
from mlproxy_writeback.features import WHOLE
from tests.faults import WRITEBACK
from tests.world import make_seat

HERE = Path(__file__).parent / "fixtures/backlog"
ADAPTER = WritebackAdapter()
BASELINE = {"max_ratio_fine": WHOLE, "strict_limit": 0}
APPLY = {"gain", "try"}
FILLED_S = {"stream": 1.0, "stream-beside-log": 1.0, "stream-host": 16.0}
"""When the memory was full and the host began to hold the writer back."""

WAITED_S = {"stream": 2.0, "stream-beside-log": 7.0, "stream-host": 4.0}
"""Of the time since, the writer waited for the file system."""


@cache
def model() -> Model:
    return load_model(ADAPTER)


def samples(name: str) -> list[Sample]:
    text = gzip.decompress((HERE / f"{name}.json.gz").read_bytes())
    return [Sample(**each) for each in json.loads(text)]


def rules(name: str, folder: Path, patient: bool = True) -> list[tuple[float, str]]:
    """What the gate said, with the second of the recording; nothing is ever applied."""
    policy = load_policy(ADAPTER.home() / "policy.yaml").model_copy(update={"start": Mode.LEARNING})
    seat = make_seat(policy, model(), BASELINE, ADAPTER, WRITEBACK)
    taken = samples(name)
    controller = Controller(seat, None, taken[0].taken_ns)
    assert controller.vigil is not None
    if not patient:
        controller.vigil.patience = None
    judgement = Judgement(TrustStore(folder), {})
    said = []
    for sample in taken:
        now_ns = sample.taken_ns
        controller.observe(sample, now_ns)
        question = controller.question(now_ns)
        if question is None:
            continue
        gate = policy.gate
        asked = (gate.confidence, math.log1p(gate.min_gain))
        (answer,) = recommend(ADAPTER, model(), [question], *asked)
        _, verdict = judgement.verdict(controller, answer, now_ns, "")
        controller.conclude(verdict, now_ns)
        said.append(((now_ns - taken[0].taken_ns) / 1e9, verdict.rule))
    return said


@pytest.mark.parametrize("name", ["burst-8s", "burst-12s", "overwrite-8s"])
def test_who_fits_into_memory_is_never_limited(name: str, tmp_path: Path) -> None:
    said = rules(name, tmp_path)
    assert said, "the model was asked"
    assert not APPLY & {rule for _, rule in said}


@pytest.mark.parametrize("name", sorted(FILLED_S))
def test_a_stream_is_limited_within_ten_seconds_of_sustained_overload(
    name: str, tmp_path: Path
) -> None:
    first_s = next(second for second, rule in rules(name, tmp_path) if rule in APPLY)
    assert ADAPTER.wait_s <= first_s - FILLED_S[name] <= 10.0 + WAITED_S[name]


def test_the_model_alone_limits_what_has_not_lasted(tmp_path: Path) -> None:
    """A burst of twelve seconds on a busy host, and a stream before it is known to be one."""
    said = rules("burst-12s", tmp_path, patient=False)
    assert APPLY & {rule for _, rule in said}
    first_s = next(s for s, rule in rules("stream", tmp_path, patient=False) if rule in APPLY)
    assert first_s < ADAPTER.wait_s
