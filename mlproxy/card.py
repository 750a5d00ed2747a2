"""The model card: what a model is for, what it was made of, how good it is and where it ends.

Written beside the manifest and made from it alone, so that equal models have equal cards.
Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.manifest import MODEL, Manifest

CARD = "CARD.md"


def write_card(folder: Path, adapter: Adapter, manifest: Manifest) -> None:
    """Write `CARD.md`."""
    (folder / CARD).write_text("\n".join(_card(adapter, manifest)) + "\n")


def _card(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    parts = (_purpose, _data, _inputs, _candidates, _quality, _limits, _again)
    yield f"# Model of {manifest.adapter}"
    for part in parts:
        yield ""
        yield from part(adapter, manifest)


def _purpose(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    knobs = "; ".join(f"`{knob.name}`: {knob.what}" for knob in adapter.asked)
    low, high = manifest.quantiles
    yield (
        f"Predicts how much {adapter.objective.metric} ({adapter.objective.what}) would gain from "
        f"another value of a knob, as the {low:g} and {high:g} quantiles of the log gain over the "
        f"setting in force. {knobs}."
    )
    yield ""
    yield (
        "It proposes; the gate decides, and a trial measures. It is not meant for anything else: "
        "its numbers are gains between settings of one workload, not forecasts of speed."
    )


def _data(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    devices = sorted({group.partition("/")[0] for group in manifest.groups})
    workloads = {group.partition("/")[2] for group in manifest.groups}
    yield "## Data"
    yield ""
    yield from _table(
        ("what", ""),
        (
            ("rows", f"{manifest.rows} (window, candidate) pairs"),
            ("workloads", f"{len(workloads)} in {len(manifest.groups)} groups (device, workload)"),
            ("devices", ", ".join(devices)),
            ("families", ", ".join(manifest.families)),
            ("sha256 of the data", f"`{manifest.data_sha256}`"),
        ),
    )


def _inputs(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    yield "## Features"
    yield ""
    yield f"Fingerprint `{manifest.fingerprint}`. What is optional may be missing (NaN)."
    yield ""
    rows = []
    for row in adapter.schema.describe():
        low, high = manifest.ranges.get(str(row["name"]), (None, None))
        seen = "never seen" if low is None else f"{low:g} to {high:g}"
        need = "" if row["required"] else "optional"
        rows.append((f"`{row['name']}`", str(row["unit"]), seen, need, str(row["what"])))
    yield from _table(("feature", "unit", "in training", "", "what"), rows)


def _candidates(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    yield "## Candidates"
    yield ""
    rows = []
    for knob in adapter.asked:
        values = ", ".join(map(str, manifest.candidates.get(knob.name, ()))) or "none"
        rows.append((f"`{knob.name}`", knob.unit, values))
    yield from _table(("knob", "unit", "values in training"), rows)


def _quality(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    yield "## How good it is"
    yield ""
    yield (
        "On groups that were left out as a whole. The bound is calibrated on the same groups; "
        "`mlproxy evaluate` judges it on workloads that neither saw."
    )
    yield ""
    yield from _table(
        ("metric", "value"), ((name, f"{value:g}") for name, value in manifest.metrics.items())
    )
    yield ""
    names = sorted({name for family in manifest.families.values() for name in family})
    rows = (
        (family, *(f"{found[name]:g}" for name in names))
        for family, found in manifest.families.items()
    )
    yield from _table(("family", *names), rows)
    yield ""
    yield from _table(
        ("confidence", "spreads below the median"),
        ((level, f"{value:g}") for level, value in manifest.stretch.items()),
    )


def _limits(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    refused = ", ".join(adapter.objective.refused)
    yield "## Limits"
    yield ""
    yield "- A window unlike those of training is refused, also where each feature is in range."
    yield "- No value outside those of training is proposed."
    yield "- What was recorded decides what is known: other devices and workloads are guesses,"
    yield "  which trials settle."
    if refused:
        yield f"- Not to be judged by: {refused}."


def _again(adapter: Adapter, manifest: Manifest) -> Iterator[str]:
    yield "## How to make it again"
    yield ""
    yield f"    mlproxy train {manifest.adapter} ROWS... -o DIR --seed {manifest.seed}"
    yield ""
    yield (
        f"with rows of the sha256 above and XGBoost {manifest.xgboost} gives a `{MODEL}` of sha256 "
        f"`{manifest.sha256[MODEL]}` ({manifest.rounds} rounds)."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
