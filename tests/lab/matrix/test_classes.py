"""The table of four classes, trained on the repository's own rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.classes import (
    CLASSES,
    baseline_of,
    best_by_class,
    class_of,
    key_of,
    train_table,
)
from mlproxy.lab.rows import read_rows
from mlproxy.registry import load_registry
from tests.lab.matrix.made import STATICS, rows
from tests.markdown import ROOT

ADAPTER = load_registry().get("readahead")
BASELINE = (("read_ahead_kb", 128),)
ALLOWED = [(("read_ahead_kb", kb),) for kb in (4, 16, 512, 2048)]

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def recorded() -> Rows:
    found = list(read_rows([ROOT / "training/readahead.jsonl.gz"]))
    return [row for row in found if row["profile"] == "ssd-dilated"]


def test_the_best_value_of_a_class_is_what_the_rows_say(recorded: Rows) -> None:
    best = best_by_class(ADAPTER, recorded, BASELINE, ALLOWED)
    assert set(best) == set(CLASSES)
    assert best["random"] in ALLOWED[:2]
    assert best["reverse"] == ALLOWED[3]
    assert best["sequential"] in (BASELINE, *ALLOWED[2:])


def test_it_tells_workloads_apart_that_it_has_not_seen(recorded: Rows) -> None:
    """More often right than who always names the commonest class."""
    held_out = sorted({str(row["workload"]) for row in recorded})[::4]
    seen = [row for row in recorded if row["workload"] not in held_out]
    table = train_table(ADAPTER, seen, BASELINE, ALLOWED)
    truth, right = Counter[str](), 0
    for name in held_out:
        unseen = [row for row in recorded if row["workload"] == name]
        at_default = [row for row in unseen if key_of(ADAPTER, row) == BASELINE]
        wanted = class_of(unseen[0]["family"])
        truth[wanted] += 1
        right += table.named(at_default) == wanted
    assert right > max(truth.values())


def test_without_windows_a_workload_is_mixed(recorded: Rows) -> None:
    assert train_table(ADAPTER, recorded, BASELINE, ALLOWED).named([]) == "mixed"


def test_rows_without_the_default_teach_nothing(recorded: Rows) -> None:
    with pytest.raises(ConfigError, match="no training rows with windows at the default"):
        train_table(ADAPTER, recorded, (("read_ahead_kb", 7),), ALLOWED)


def test_a_class_that_no_row_shows_keeps_the_default() -> None:
    made = rows(dict(zip(STATICS, (3.0, 2.0, 0.1), strict=True)))
    assert baseline_of(ADAPTER, made) == BASELINE
    best = best_by_class(ADAPTER, made, BASELINE, [(("read_ahead_kb", 4),)])
    assert best["random"] == (("read_ahead_kb", 4),)
    assert best["reverse"] == BASELINE
