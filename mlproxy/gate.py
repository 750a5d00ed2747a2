"""The gate: (recommendation, policy, history) to a verdict that names its rule.

Pure: no clock, no file, no state. The rules are asked in order, safest first, and the first
that has something to say decides; when none objects, the recommendation applies.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mlproxy.gate_range import Range, clamp_step, step_factor
from mlproxy.mode import Mode
from mlproxy.policy import Policy
from mlproxy.recommendation import Recommendation
from mlproxy.units import format_duration, format_factor, format_gain, format_percent
from mlproxy.verdict import History, Verdict

__all__ = ["History", "Range", "Verdict", "clamp_step", "gate"]

MAX_OVERRIDES = 3
"""Times another writer may change a knob back before we leave it to them."""

STALE_INTERVALS = 3
"""Age of a window, in policy intervals, above which its features are stale."""

MAX_GAIN_LOG = 20.0
"""Beyond e^20 times a prediction is an error of the model, not a gain."""


Rule = Callable[[Recommendation, Policy, History], Verdict | None]


def gate(rec: Recommendation, policy: Policy, history: History) -> Verdict:
    """The verdict of the first rule that has one. Never raises, whatever the numbers."""
    verdicts = (rule(rec, policy, history) for rule in RULES)
    return next(verdict for verdict in verdicts if verdict is not None)


def paused(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A kill switch always wins."""
    if history.paused:
        return Verdict("refuse", "paused", f"paused: {history.paused}")
    return None


def administrator(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A value that somebody else set is theirs (promise 3)."""
    if history.stood_down:
        reason = f"stood down on {rec.knob} for the administrator: {history.stood_down}"
        return Verdict("hold", "administrator", reason)
    return None


def contested(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """Two tools that write one knob help nobody."""
    if history.overrides >= MAX_OVERRIDES:
        reason = (
            f"another tool rewrote {rec.knob} {history.overrides} times "
            f"(limit {MAX_OVERRIDES}); left to it"
        )
        return Verdict("hold", "contested", reason)
    return None


def emergency(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """In emergency mode the agent only observes."""
    mode = history.mode.under(policy.mode)
    if mode is Mode.EMERGENCY:
        return Verdict("refuse", "emergency", "emergency mode: observe only, change nothing")
    return None


def missing(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A required feature that is missing means no recommendation (promise 5)."""
    if history.missing:
        names = ", ".join(history.missing)
        return Verdict("refuse", "missing", f"required features are missing: {names}")
    return None


def stale(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A stale window speaks of another workload (promise 5)."""
    limit_s = STALE_INTERVALS * policy.interval_s
    if history.window_age_s <= limit_s:
        return None
    reason = f"features are {history.window_age_s:.3g} s old, {format_duration(limit_s)} is allowed"
    return Verdict("refuse", "stale", reason)


def prediction(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A gain that is not a plausible number is an error of the model."""
    gains = (rec.gain_log, rec.lower_log, rec.current_gain_log)
    if all(abs(gain) <= MAX_GAIN_LOG for gain in gains):
        return None
    shown = ", ".join(f"{gain:.3g}" for gain in gains)
    reason = f"the model predicts log gains of {shown}; within +-{MAX_GAIN_LOG:g} is plausible"
    return Verdict("refuse", "prediction", reason)


def out_of_range(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """Features jointly unlike the training data mean no recommendation (promise 5)."""
    if 0 <= rec.distance <= 1:
        return None
    reason = (
        f"the workload is unlike what the model was trained on "
        f"(distance {rec.distance:.2f}, 1 is the limit)"
    )
    return Verdict(policy.gate.out_of_range, "out-of-range", reason)


def no_change(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """The best candidate is already there, or what may be better is not sure."""
    if rec.changes:
        return None
    reason = f"{rec.knob} {rec.current} is already the best candidate"
    if rec.doubted is not None:
        gain, lower = (format_gain(math.expm1(log)) for log in rec.doubted[1:])
        value = rec.doubted.value
        reason = f"{rec.knob} {value} may give {gain}, at worst {lower}: not sure enough"
    return Verdict("hold", "no-change", reason)


def unclaimed(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """Only knobs that the policy names are changed."""
    if rec.knob in policy.knobs:
        return None
    names = ", ".join(policy.knobs)
    return Verdict("refuse", "unclaimed", f"the policy does not name {rec.knob}; it names {names}")


def legal_range(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """No value outside the intersection of kernel, adapter and policy (promise 4)."""
    knob = policy.knobs[rec.knob]
    allowed = Range(knob.min, knob.max, knob.allow or ())
    ranges = {"kernel": history.kernel, "adapter": history.adapter, "policy": allowed}
    objections = (each.objects(rec.proposed, who) for who, each in ranges.items())
    known = any(each.speaks_of(rec.proposed) for each in ranges.values())
    problem = next(filter(None, objections), "" if known else "nobody states what is legal")
    if not problem:
        return None
    return Verdict("refuse", "range", f"{rec.knob} {rec.proposed}: {problem}")


def withdraw(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """The way back to the baseline is always open when the current value became a loss."""
    if rec.proposed != rec.baseline or rec.current_gain_log >= 0:
        return None
    loss = format_gain(math.expm1(rec.current_gain_log))
    source = "measured" if rec.current_pairs else "predicted"
    reason = f"{rec.knob} {rec.current} is now {source} at {loss}: back to {rec.baseline}"
    return Verdict("apply", "withdraw", reason)


def max_step(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """Until trusted, a change is taken in steps."""
    limit = policy.knobs[rec.knob].max_step
    factor = step_factor(rec.current, rec.proposed, history.grid)
    if history.trusted or limit is None or factor <= limit:
        return None
    step = clamp_step(rec.current, rec.proposed, limit, history.grid)
    advice = f"apply a smaller step, {step}" if step != rec.current else "no candidate is nearer"
    reason = (
        f"{rec.knob} {rec.current} to {rec.proposed} is a step of {format_factor(factor)}, "
        f"{format_factor(limit)} is allowed until trusted: {advice}"
    )
    return Verdict("hold", "max-step", reason)


def memory_pressure(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """No change while the host is short of memory."""
    return _pressure("memory", history.memory_pressure, policy.gate.max_memory_pressure)


def io_pressure(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """No change while the host's I/O is congested beyond what the operator allows."""
    return _pressure("io", history.io_pressure, policy.gate.max_io_pressure)


def regression(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """What was measured to be worse is not tried again soon (promise 6)."""
    for past in history.regressions:
        if (past.value, past.direction) == (rec.proposed, rec.direction):
            reason = (
                f"{rec.knob} {rec.proposed} was measured at {format_gain(past.gain)}; "
                f"not again for {past.left_s:.0f} s"
            )
            return Verdict("refuse", "regression", reason)
    return None


def early(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A value that no slots test waits until the demand for it has lasted."""
    if not history.early or rec.current != rec.baseline:
        return None
    return Verdict("hold", "early", history.early)


def dwell(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A value stays for a while, unless the workload has changed since, or a trusted model goes
    on in the direction of the last change: it sees farther from there, and does not waver."""
    onward = history.trusted and history.onward
    if history.phase_changed or onward or history.since_change_s >= policy.gate.dwell_s:
        return None
    reason = (
        f"{rec.knob} changed {history.since_change_s:.3g} s ago in the same phase; "
        f"it dwells for {format_duration(policy.gate.dwell_s)}"
    )
    return Verdict("hold", "dwell", reason)


def undecided(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """Slots are let say what they think of a value before it makes room for its neighbour."""
    if history.phase_changed or not history.undecided:
        return None
    return Verdict("hold", "undecided", f"{rec.knob} {rec.current}: {history.undecided}")


def confidence(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """The lower bound must hold at the confidence that the policy asks for."""
    asked = policy.gate.confidence
    if rec.confidence >= asked:
        return None
    reason = f"the model's lower bound holds at {rec.confidence:.3g}, the policy asks for {asked:g}"
    return Verdict("refuse", "confidence", reason)


def min_gain(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """The gain over the baseline must be sure enough."""
    if rec.lower_log >= math.log1p(policy.gate.min_gain):
        return None
    reason = (
        f"{rec.source} gain of {rec.knob} {rec.proposed} is {format_gain(rec.gain)}, surely only "
        f"{format_gain(rec.lower)}; {format_percent(policy.gate.min_gain)} is asked for"
    )
    return Verdict("refuse", "min-gain", reason)


def worth_it(rec: Recommendation, policy: Policy, history: History) -> Verdict | None:
    """A neighbour that is hardly better than the value in force is not worth a change."""
    better = math.expm1(rec.gain_log - rec.current_gain_log)
    if better >= policy.gate.min_gain or rec.current == rec.baseline:
        return None
    reason = (
        f"{rec.proposed} is {rec.source} only {format_gain(better)} over {rec.current} in force; "
        f"{format_percent(policy.gate.min_gain)} is asked for"
    )
    return Verdict("hold", "worth-it", reason)


def gain(rec: Recommendation, policy: Policy, history: History) -> Verdict:
    """What no rule objects to applies."""
    reason = (
        f"{rec.knob} {rec.current} to {rec.proposed}: {rec.source} {format_gain(rec.gain)}, "
        f"at least {format_gain(rec.lower)} over {rec.baseline}"
    )
    return Verdict("apply", "gain", reason)


RULES: tuple[Rule, ...] = (
    paused,
    administrator,
    contested,
    emergency,
    missing,
    stale,
    prediction,
    out_of_range,  # before no_change: a value in force is not renewed on a guess
    no_change,
    unclaimed,
    legal_range,
    withdraw,  # before all that could keep a loss in force
    max_step,
    memory_pressure,
    io_pressure,
    regression,
    early,
    dwell,
    undecided,
    confidence,
    min_gain,
    worth_it,
    gain,
)


def _pressure(kind: str, share: float | None, limit: float | None) -> Verdict | None:
    if limit is None:
        return None
    rule = f"{kind}-pressure"
    if share is None:
        reason = f"the policy limits {kind} pressure, which cannot be read here"
        return Verdict("refuse", rule, reason)
    if share <= limit:
        return None
    reason = f"{kind} pressure is {share * 100:.1f} %, the policy allows {format_percent(limit)}"
    return Verdict("refuse", rule, reason)
