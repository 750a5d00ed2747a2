"""An attempt: where much may be gained but nothing is sure, a patched kernel tries it, or
guards watch it where a demand has lasted that no slots could test.

The kernel's trial gives the value an eighth of the time and takes it back after three bad slots at
most, which is less than the look that a stock kernel is given in doubt.
"""

from __future__ import annotations

from dataclasses import replace

from mlproxy.decide import Answer, Prediction
from mlproxy.look import DOUBT_LOG
from mlproxy.policy import Policy
from mlproxy.recommendation import Recommendation
from mlproxy.step import judge_answer
from mlproxy.units import format_gain
from mlproxy.verdict import History, Verdict

UNSURE = ("no-change", "min-gain")
"""Rules that only say that no gain is sure."""


def attempt(
    answer: Answer, policy: Policy, history: History, who: str = "the kernel tries it"
) -> tuple[Recommendation, Verdict] | None:
    """The most promising candidate of the knob, or the step towards it, against which
    speaks only that it is not sure; None where nothing promises enough."""
    rec = answer.recommendation
    enough = rec.current_gain_log + DOUBT_LOG
    options = [each for each in answer.predictions if each.knob == rec.knob]
    for option in sorted(options, key=lambda each: -each.gain_log):
        if option.gain_log < enough:
            break
        if option.value == rec.current:
            continue
        found = _judged(option, answer, policy, history, who)
        if found is not None:
            return found
    return None


def _judged(
    option: Prediction, answer: Answer, policy: Policy, history: History, who: str
) -> tuple[Recommendation, Verdict] | None:
    wanted = replace(
        answer.recommendation,
        proposed=option.value,
        gain_log=option.gain_log,
        lower_log=option.lower_log,
    )
    tried, verdict = judge_answer(replace(answer, recommendation=wanted), policy, history)
    if verdict.rule != "min-gain":
        return None
    reason = (
        f"{tried.knob} {tried.current} to {tried.proposed}: {format_gain(tried.gain)} is likely, "
        f"{format_gain(tried.lower)} is sure: {who}"
    )
    return tried, Verdict("apply", "try", reason)
