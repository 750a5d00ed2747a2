"""No harm: passed, failed, unresolved, and when the two are run again."""

from __future__ import annotations

import pytest

from mlproxy.lab.matrix.document import NoHarm
from mlproxy.lab.matrix.noharm import ratios, verdict, wants_more
from mlproxy.lab.matrix.pairs import pairs_of
from mlproxy.lab.stats import Repeat
from tests.lab.matrix.made import AGENT, STATICS, row, rows

RULE = NoHarm()
TIGHT = NoHarm.model_validate({"at_most": 6})


@pytest.mark.parametrize(
    ("ratio", "noise", "repeats", "rule", "found"),
    [
        (1.0, 0.001, 5, RULE, Repeat.PASSED),
        (0.98, 0.001, 5, RULE, Repeat.PASSED),
        (0.95, 0.001, 5, RULE, Repeat.FAILED),
        (0.99, 0.2, 5, RULE, Repeat.MORE),
        (0.99, 0.2, 6, TIGHT, Repeat.UNRESOLVED),
        (3.0, 0.2, 5, RULE, Repeat.PASSED),
        (0.3, 0.2, 5, RULE, Repeat.FAILED),
        (1.0, 0.001, 3, RULE, Repeat.MORE),
    ],
)
def test_verdicts(ratio: float, noise: float, repeats: int, rule: NoHarm, found: Repeat) -> None:
    (pair,) = pairs_of(rows({AGENT: ratio}, repeats=repeats, noise=noise))
    assert verdict(pair, rule) is found
    assert wants_more(pair, rule) is (found is Repeat.MORE)


def test_without_the_agent_there_is_nothing_to_run_again() -> None:
    (pair,) = pairs_of(rows({STATICS[0]: 1.0}))
    assert ratios(pair) == []
    assert not wants_more(pair, RULE)


def test_only_repeats_that_both_have_are_compared() -> None:
    made = [row("w", "default", n, 10.0) for n in range(5)]
    made += [row("w", AGENT, n, 20.0) for n in (0, 3)]
    (pair,) = pairs_of(made)
    assert ratios(pair) == pytest.approx([2.0, 2.0])
