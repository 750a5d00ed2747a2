"""What mlproxy is compared with, pair by pair as ln(peer / default) by repeat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import ConfigError
from mlproxy.lab.matrix import classes
from mlproxy.lab.matrix.contender import AGENT, DEFAULT, STATIC, TUNED
from mlproxy.lab.matrix.headroom import Logs, crossed, halves
from mlproxy.lab.matrix.pairs import Pair
from mlproxy.lab.matrix.split import TRAINING

ORACLE, SINGLE = "best static per workload", "best single static"
TABLE, CEILING = "table of four classes", "the same table, never wrong"

Key = tuple[str, str, str]
Peer = Mapping[Key, Logs]
Rows = Sequence[Mapping[str, Any]]


def peers_of(
    pairs: Sequence[Pair], rows: Rows, training: Rows, adapters: Mapping[str, Adapter]
) -> dict[str, Peer]:
    """Every peer that these rows know; mlproxy itself comes first.

    Args:
        training: further rows of static settings that the table of classes may learn from, beside
            those of the split `training`.
    """
    found: dict[str, Peer] = {
        AGENT: _ran(pairs, AGENT),
        TUNED: _ran(pairs, TUNED),
        SINGLE: single_static(pairs),
        ORACLE: {pair.key: crossed(pair) for pair in pairs if len(pair.candidates) > 1},
    }
    found |= _tables(pairs, rows, training, adapters)
    return {name: peer for name, peer in found.items() if peer}


def single_static(pairs: Iterable[Pair]) -> Peer:
    """The one candidate that is best over all pairs of an adapter, guards or not; chosen on one
    half of the repeats and measured on the other, both ways."""
    found: dict[Key, Logs] = {}
    for _, ours in _by_adapter(pairs).items():
        shared = [name for name in ours[0].candidates if all(pair.has(name) for pair in ours)]
        repeats = set.intersection(*(set(p.logs(name)) for p in ours for name in shared))
        first, second = halves(repeats)
        if len(shared) < 2 or not second:
            continue
        picked: dict[Key, dict[int, float]] = {pair.key: {} for pair in ours}
        for chosen, measured in ((first, second), (second, first)):
            name = max(shared, key=lambda each: (_score(ours, each, chosen), each))
            for pair in ours:
                logs = pair.logs(name)
                picked[pair.key] |= {n: logs[n] for n in measured}
        found |= picked
    return found


def _score(pairs: Iterable[Pair], name: str, repeats: Iterable[int]) -> float:
    chosen = list(repeats)
    return sum(pair.logs(name)[n] for pair in pairs for n in chosen)


def _ran(pairs: Iterable[Pair], name: str) -> Peer:
    return {pair.key: logs for pair in pairs if (logs := pair.logs(name))}


def _by_adapter(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        if len(pair.candidates) > 1:
            found.setdefault(pair.adapter, []).append(pair)
    return found


def _tables(
    pairs: Sequence[Pair], rows: Rows, training: Rows, adapters: Mapping[str, Adapter]
) -> dict[str, Peer]:
    """The table by what it sees, and by what the workloads truly are."""
    adapter = adapters.get(classes.ADAPTER)
    ours = [row for row in rows if row["notes"]["adapter"] == classes.ADAPTER]
    if adapter is None or not ours:
        return {}
    static = [row for row in ours if row["notes"]["kind"] in (DEFAULT, STATIC)]
    learn = [*training, *(row for row in static if row["notes"]["split"] == TRAINING)]
    held_out = [pair for pair in pairs if pair.adapter == classes.ADAPTER]
    if not learn or not held_out:
        return {}
    names = {classes.key_of(adapter, row): row["arm"] for row in static}
    measured = [key for key, name in names.items() if all(pair.has(name) for pair in held_out)]
    try:
        table = classes.train_table(adapter, learn, classes.baseline_of(adapter, ours), measured)
    except ConfigError:
        return {}

    def logs(pair: Pair, name: str) -> Logs:
        return pair.logs(names[table.best[name]])

    seen = _default_rows(static)
    return {
        TABLE: {pair.key: logs(pair, table.named(seen.get(pair.key, []))) for pair in held_out},
        CEILING: {pair.key: logs(pair, classes.class_of(pair.family)) for pair in held_out},
    }


def _default_rows(rows: Rows) -> dict[Key, list[Mapping[str, Any]]]:
    found: dict[Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["notes"]["kind"] == DEFAULT:
            key = (row["notes"]["adapter"], row["profile"], row["workload"])
            found.setdefault(key, []).append(row)
    return found


def ratio(logs: Logs) -> float:
    """Geometric mean of a peer's ratio to the default."""
    return math.exp(sum(logs.values()) / len(logs))
