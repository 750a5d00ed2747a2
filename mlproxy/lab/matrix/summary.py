"""What a file of rows says: the numbers of the report, pure and the same each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.contender import AGENT
from mlproxy.lab.matrix.document import NoHarm
from mlproxy.lab.matrix.headroom import (
    Headroom,
    captured,
    clustered_mean,
    headroom_of,
    interval,
    mean,
)
from mlproxy.lab.matrix.measure import AGENT_CPU, AGENT_MB
from mlproxy.lab.matrix.noharm import verdict
from mlproxy.lab.matrix.pairs import Pair, agents, pairs_of
from mlproxy.lab.matrix.parquet import RowFile
from mlproxy.lab.matrix.peers import Peer, Rows, peers_of
from mlproxy.lab.stats import Interval, Repeat


@dataclass(frozen=True)
class Judged:
    """One pair as the report shows it."""

    headroom: Headroom
    harm: Repeat
    others: Mapping[str, Interval]
    """Ratio to the default by peer."""


@dataclass(frozen=True)
class Share:
    """Headroom captured of some pairs: by whom, of which, how many, how much."""

    who: str
    part: str
    pairs: int
    share: Interval | None


@dataclass(frozen=True)
class Against:
    """mlproxy / peer over all pairs that have both."""

    peer: str
    pairs: int
    ratio: Interval


@dataclass(frozen=True)
class Cost:
    """The agent's share of a core and memory, median and most over its rows."""

    cpu: float
    cpu_most: float
    resident_mb: float
    rows: int


@dataclass(frozen=True)
class Summary:
    """Everything that tables and figures show."""

    judged: Sequence[Judged]
    shares: Sequence[Share]
    against: Sequence[Against]
    no_headroom: tuple[int, Interval | None]
    """Pairs without true headroom, geometric mean of mlproxy / default over them."""
    cost: Cost | None
    load: float
    """Highest load average of the machine when a row was done."""
    late_us: tuple[float, float] | None
    """By how much the device completed its requests late, mean of a row: median and most."""
    rows: int
    machine: Mapping[str, str]
    matrix: Mapping[str, Any]

    @property
    def total(self) -> Share:
        """Headroom captured by mlproxy over everything."""
        return next(each for each in self.shares if each.who == AGENT and each.part == "all")


def summarize(
    file: RowFile, training: Rows, adapters: Mapping[str, Adapter], seed: int = 0
) -> Summary:
    """The summary of a file. Raises: ConfigError when mlproxy ran in none of its rows."""
    pairs = [pair for pair in agents(pairs_of(file.rows)) if len(pair.candidates) > 1]
    if not pairs:
        raise ConfigError("no setting has both mlproxy and static candidates: nothing to compare")
    peers = peers_of(pairs, file.rows, training, adapters)
    best = {pair.key: headroom_of(pair) for pair in pairs}
    asked = _no_harm(file)
    judged = [
        Judged(
            best[pair.key],
            verdict(pair, asked),
            {
                name: interval(peer[pair.key], seed)
                for name, peer in peers.items()
                if _in(peer, pair)
            },
        )
        for pair in pairs
    ]
    flat = [pair for pair in pairs if not best[pair.key].counts]
    return Summary(
        judged=judged,
        shares=_shares(pairs, peers, best, seed),
        against=_against(pairs, peers, seed),
        no_headroom=(len(flat), clustered_mean(_means(flat, peers[AGENT]), seed)),
        cost=_cost(file.rows),
        load=max((row["notes"].get("loadavg", 0.0) for row in file.rows), default=0.0),
        late_us=_late(file.rows),
        rows=len(file.rows),
        machine=file.machine,
        matrix=file.matrix,
    )


def _no_harm(file: RowFile) -> NoHarm:
    declared = file.matrix.get("no_harm")
    return NoHarm.model_validate(_texts(declared)) if declared else NoHarm()


def _texts(declared: Mapping[str, Any]) -> dict[str, Any]:
    """A dumped rule as it is written: shares as percentages."""
    shares = ("floor", "half_width")
    return {k: f"{v * 100:.6g}%" if k in shares else v for k, v in declared.items()}


def _in(peer: Peer, pair: Pair) -> bool:
    return bool(peer.get(pair.key))


def _means(pairs: Sequence[Pair], peer: Peer) -> list[tuple[str, float]]:
    return [(pair.workload, mean(peer[pair.key])) for pair in pairs if _in(peer, pair)]


def _shares(
    pairs: Sequence[Pair],
    peers: Mapping[str, Peer],
    best: Mapping[Any, Headroom],
    seed: int,
) -> list[Share]:
    """By everybody over all pairs, then by mlproxy over each adapter and each split."""
    found = [_share(name, "all", pairs, peer, best, seed) for name, peer in peers.items()]
    parts = {("adapter", pair.adapter) for pair in pairs} | {("split", p.split) for p in pairs}
    for kind, part in sorted(parts):
        chosen = [pair for pair in pairs if getattr(pair, kind) == part]
        found.append(_share(AGENT, f"{kind} {part}", chosen, peers[AGENT], best, seed))
    return found


def _share(
    who: str,
    part: str,
    pairs: Sequence[Pair],
    peer: Peer,
    best: Mapping[Any, Headroom],
    seed: int,
) -> Share:
    known = [pair for pair in pairs if _in(peer, pair) and best[pair.key].counts]
    found = [Headroom(pair, best[pair.key].best, interval(peer[pair.key], seed)) for pair in known]
    return Share(who, part, len(found), captured(found, seed))


def _against(pairs: Sequence[Pair], peers: Mapping[str, Peer], seed: int) -> list[Against]:
    found = []
    for name, peer in peers.items():
        both = [pair for pair in pairs if _in(peer, pair) and name != AGENT]
        ours, theirs = _means(both, peers[AGENT]), _means(both, peer)
        logs = [(w, above - below) for (w, above), (_, below) in zip(ours, theirs, strict=True)]
        ratio = clustered_mean(logs, seed)
        if ratio is not None:
            found.append(Against(name, len(both), ratio))
    over_default = clustered_mean(_means(pairs, peers[AGENT]), seed)
    assert over_default is not None
    return [Against("default", len(pairs), over_default), *found]


def _late(rows: Rows) -> tuple[float, float] | None:
    found = [row["late_us"] for row in rows if row.get("late_us") is not None]
    return (median(found), max(found)) if found else None


def _cost(rows: Rows) -> Cost | None:
    found = [row["metrics"] for row in rows if AGENT_CPU in row["metrics"]]
    if not found:
        return None
    cpu = [each[AGENT_CPU] for each in found]
    return Cost(median(cpu), max(cpu), max(each[AGENT_MB] for each in found), len(found))
