"""The reference of policies (docs/policies.md), made from the models that read them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from mlproxy.policy import GatePolicy, KnobPolicy, LookPolicy, Match, Policy, TrialPolicy
from mlproxy.policy_objective import ObjectiveSource, PrometheusSource

HEAD = """# Policies

A policy says what is allowed, for one adapter on a set of devices. It is a YAML document; a file
may hold several, separated by `---`. `mlproxy check FILE...` tests files one by one, against the
installed adapters and against each other; every error gives file, line, field, value and what is
allowed. Unknown and repeated keys are refused, and so are files that somebody other than root or
you can write to.

Examples for whole machines are in [configs/](../configs). Without `-c` each adapter's own
`policy.yaml` applies. This page is made from the models in `mlproxy/policy.py`; a test keeps it so.

Units are part of a value: durations are `250ms`, `10s`, `2m`, `1h`; shares are `5%`; factors are
`8x`. A number without its unit is refused.

<!-- run: compare -->
```console
$ mlproxy check configs/database.yaml
configs/database.yaml: ok (2 policies)
```

"""

TAIL = """## Who decides what

- The range of a knob is the intersection of what the kernel, the adapter and the policy allow.
- `mode` is a ceiling: the share of time in which a recommendation rules is 0 (emergency), 1/8
  (learning), 1/2 (collaboration) or 7/8 (recommendation, more once proven). Trials move the mode
  between `start` and the ceiling; what was earned is kept across restarts.
- `trust: model` takes the model's word where nothing can be measured. Without it an untested
  recommendation never rises above learning.
- `max_step` binds until the model is trusted on that device in that direction: by `trust: model`,
  by what its trials earned, or by a `start` above learning where they measure. From then on `dwell`
  does not bind what goes on in the direction of the last change; a change of the workload's phase
  ends the dwell in any case.
- A limit on dirty data is never in slots: it rules in full in every mode but emergency, and
  `guards` take it back. `max_drain` chooses which limit the model is asked about. Adapters that
  would not heed one of the two refuse it.
- `explore` is heeded in learning mode alone, where a trial can measure what was drawn, and only
  among values that no rule of the gate forbids; 0% turns it off.
- `objective` names the number that grows as the application gets on. Device throughput (`device`)
  and pressure (`psi`) are refused by name: for random mapped reads they choose the wrong value.
- The first rule of the gate that objects decides, and every output names it.
"""

PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("A policy", Policy),
    ("match", Match),
    ("knobs: each knob", KnobPolicy),
    ("gate", GatePolicy),
    ("trial", TrialPolicy),
    ("look", LookPolicy),
    ("objective", ObjectiveSource),
    ("objective: prometheus", PrometheusSource),
)


def policy_reference() -> str:
    """The whole page in markdown."""
    parts = ("\n".join(_part(title, model)) for title, model in PARTS)
    return "\n".join([HEAD, *parts, TAIL])


def _part(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{(model.__doc__ or '').strip().partition(chr(10))[0]}\n"
    yield "| key | default | allowed |\n|---|---|---|"
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else _yaml(info.default)
        yield f"| `{info.alias or name}` | {default} | {info.description} |"
    yield ""


def _yaml(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple | dict):
        return f"`{value}`" if value else ""
    return f"`{value}`"
