"""Experience: what the outcome log of an agent taught, as records to train on.

A decision holds what was seen and proposed, its trial what the proposal gained over the baseline
in paired slots. Both are records of one group, so that training unrolls them like rows that were
measured: the seen setting with its window, the other with its gain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlproxy.adapter import Adapter
from mlproxy.columns import LEAST_SPREAD
from mlproxy.dataset import Record
from mlproxy.disk import cannot
from mlproxy.errors import ConfigError
from mlproxy.outcomes import Outcomes, read_log

FAMILY = "outcomes"
FEWEST_PAIRS = 2
PRIOR_PAIRS, PRIOR_VARIANCE = 4.0, 0.04
"""Few pairs tell little of their own variance: as many count with 20 % of noise each."""

MOST_WEIGHT = 10.0
"""Rare proposals weigh by the inverse of their propensity, at most so much; all together as many
rows of the same variance (self-normalised, Swaminathan and Joachims, 2015)."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Experience:
    """Records of what was tried, and why other decisions taught nothing."""

    records: tuple[Record, ...]
    tried: int
    skipped: Mapping[str, int]


def read_experience(adapter: Adapter, logs: Iterable[Path]) -> Experience:
    """From log files, or state folders with one. Raises: ConfigError naming what is no log."""
    records: list[Record] = []
    skipped: Counter[str] = Counter()
    for log in logs:
        for found in experiences(adapter, _entries(log)):
            if isinstance(found, str):
                skipped[found] += 1
            else:
                records += found
    mean = sum(record.weight for record in records) / max(len(records), 1)
    normal = tuple(replace(record, weight=record.weight / mean) for record in records)
    return Experience(normal, len(records) // 2, dict(sorted(skipped.items())))


def experiences(
    adapter: Adapter, entries: Iterable[Entry]
) -> Iterator[tuple[Record, Record] | str]:
    """For every decision of the adapter to apply something: its two records, or why none."""
    decisions: dict[str, Entry] = {}
    trials: dict[str, Entry] = {}
    for entry in entries:
        if entry["kind"] == "decision" and entry.get("adapter") == adapter.name:
            if entry.get("action") == "apply":
                decisions[str(entry.get("id"))] = entry
        elif entry["kind"] in ("measured", "trial") and entry.get("same_phase", True):
            trials[str(entry.get("recommendation"))] = entry
    for id, decision in decisions.items():
        trial = trials.get(id)
        yield "untested" if trial is None else _learned(adapter, decision, trial)


def _learned(adapter: Adapter, decision: Entry, trial: Entry) -> tuple[Record, Record] | str:
    try:
        gain, pairs = float(trial["mean_log"]), int(trial["pairs"])
        if pairs < FEWEST_PAIRS or not math.isfinite(gain):
            return "too few pairs"
        baseline = dict(decision["baselines"])
        seen = {name: decision["setting"][name] for name in baseline}
        treated = {name: trial["treated"].get(name, value) for name, value in baseline.items()}
        features = adapter.schema.model_validate(decision["features"]).model_dump()
        variance = _variance(pairs, trial["variance_log"])
        weight = min(1.0 / float(decision.get("propensity", 1.0)), MOST_WEIGHT)
    except ValidationError:
        return "other features"
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return "incomplete"
    if seen not in (baseline, treated) or treated == baseline:
        return "seen at a third value"
    metric = adapter.objective.metric
    group = f"{decision['device']}/{decision['proxy']}#{decision['id']}"
    made = [
        Record(
            group=group,
            setting=setting,
            windows=(features,) if setting == seen else (),
            metrics={metric: performance},
            family=FAMILY,
            variance=doubt,
            weight=weight,
        )
        for setting, performance, doubt in (
            (baseline, 1.0, 0.0),
            (treated, math.exp(gain), variance),
        )
    ]
    return made[0], made[1]


def _variance(pairs: int, told: float | None) -> float:
    """Variance of the mean of the pairs."""
    squares = (pairs - 1) * (told or 0.0) + PRIOR_PAIRS * PRIOR_VARIANCE
    return max(squares / (pairs - 1 + PRIOR_PAIRS), LEAST_SPREAD**2) / pairs


def _entries(log: Path) -> Iterator[Entry]:
    try:
        found = list(Outcomes(log).read() if log.is_dir() else read_log(log))
    except OSError as error:
        raise cannot("read", log, error, ConfigError) from error
    if not found:
        raise ConfigError(f"{log}: no outcomes: neither an outcome log nor a state folder with one")
    return iter(found)
