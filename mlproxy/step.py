"""The verdict on an answer, or on the smaller step towards it that is allowed."""

from __future__ import annotations

from dataclasses import replace

from mlproxy.decide import Answer
from mlproxy.gate import gate
from mlproxy.gate_range import clamp_step
from mlproxy.knob import Value
from mlproxy.policy import Policy
from mlproxy.recommendation import Recommendation
from mlproxy.verdict import History, Verdict


def judge_answer(
    answer: Answer, policy: Policy, history: History
) -> tuple[Recommendation, Verdict]:
    """What the gate says; where only the step is too large, what it says of the largest
    candidate on the way that is near enough."""
    rec = answer.recommendation
    verdict = gate(rec, policy, history)
    limit = policy.knobs[rec.knob].max_step if rec.knob in policy.knobs else None
    if verdict.rule != "max-step" or limit is None:
        return rec, verdict
    nearer = _nearer(answer, clamp_step(rec.current, rec.proposed, limit, history.grid))
    return (nearer, gate(nearer, policy, history)) if nearer else (rec, verdict)


def _nearer(answer: Answer, step: Value) -> Recommendation | None:
    """The recommendation of another candidate; None where that is no change."""
    rec = answer.recommendation
    for option in answer.predictions:
        if (option.knob, option.value) == (rec.knob, step) and step != rec.current:
            return replace(
                rec,
                proposed=step,
                gain_log=option.gain_log,
                lower_log=option.lower_log,
                pairs=option.pairs,
            )
    return None
