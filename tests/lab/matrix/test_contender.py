"""Contenders: what each of them sets, and TuneD as its profile says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlproxy.errors import LabError
from mlproxy.lab.arm import READ_AHEAD
from mlproxy.lab.matrix.contender import contenders
from mlproxy.lab.matrix.tuned import tuned_arm
from mlproxy.registry import load_registry

ADAPTER = load_registry().get("readahead")


def _values(**changed: str) -> Callable[[str], str]:
    known = {"read_ahead_kb": "128", "dirty_bytes": "0", "dirty_background_bytes": "0", **changed}
    return lambda path: known[path.rpartition("/")[2]]


def test_the_default_runs_always_and_sets_nothing() -> None:
    (default,) = contenders(ADAPTER, [], [], _values())
    assert (default.kind, default.arm.knobs) == ("default", ())


def test_every_value_that_the_adapter_sweeps_is_a_candidate() -> None:
    found = contenders(ADAPTER, ["static"], [], _values())
    assert [each.name for each in found[1:]] == [
        f"read_ahead_kb={kb}" for kb in (4, 16, 32, 64, 128, 512, 2048, 8192)
    ]
    few = contenders(ADAPTER, ["static"], [{"read_ahead_kb": 64}], _values())
    assert [each.name for each in few] == ["default", "read_ahead_kb=64"]


def test_all_kinds_together() -> None:
    asked = ["static", "tuned", "mlproxy"]
    found = contenders(ADAPTER, asked, [{"read_ahead_kb": 64}], _values())
    assert [each.kind for each in found] == ["default", "static", "tuned", "mlproxy"]
    assert found[-1].arm.knobs == ()


@pytest.mark.parametrize(("now", "then"), [("128", "4096"), ("4096", "4096"), ("8192", "8192")])
def test_tuned_raises_a_small_readahead_and_leaves_a_large_one(now: str, then: str) -> None:
    knobs = dict(tuned_arm(_values(read_ahead_kb=now)).knobs)
    assert knobs[READ_AHEAD] == then
    assert knobs["proc/sys/vm/dirty_ratio"] == "40"
    assert knobs["proc/sys/vm/dirty_background_ratio"] == "10"
    assert knobs["proc/sys/vm/swappiness"] == "10"


def test_tuned_does_not_wipe_out_a_byte_limit() -> None:
    with pytest.raises(LabError, match=r"vm\.dirty_bytes is set"):
        tuned_arm(_values(dirty_bytes="1000000"))
