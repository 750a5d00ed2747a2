"""Scores of predictions for workloads that the model never saw: is the bound honest, and what is
the choice worth?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlproxy.clustered import Clustered, clustered_ratio, clustered_share
from mlproxy.columns import Array64
from mlproxy.dataset import Dataset, unit_of
from mlproxy.families import UNNAMED

ALL = "all"


@dataclass(frozen=True)
class Unseen:
    """Rows with what a model that never saw their workload says of them; all of length n.

    Args:
        gain, median, lower: log gains over the setting in force, as measured and predicted.
        window: index of the row's window; rows of one window differ in the candidate.
        change: False for the row whose candidate is in force.
        inside: whether the window resembles the training data; if not, nothing is proposed.
        family, workload, group: of each row.
    """

    gain: Array64
    median: Array64
    lower: Array64
    window: NDArray[np.int64]
    change: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    family: NDArray[np.str_]
    workload: NDArray[np.str_]
    group: NDArray[np.str_]

    def only(self, rows: NDArray[np.bool_]) -> Unseen:
        """The same for some of the rows."""
        return Unseen(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Score:
    """How one family fares.

    Args:
        every: how often the bound of a change held, over all candidates.
        chosen: the same over the best candidate of each window by its median.
        regret_log: mean log gain that the best candidate would have brought beyond what was
            chosen; the best of noisy measurements flatters itself, so this is an upper bound.
        captured: sum of log gains of what was chosen over that of the best.
    """

    family: str
    groups: int
    share_inside: float
    every: Clustered
    chosen: Clustered
    regret_log: Clustered
    captured: Clustered


def unseen(data: Dataset, median: Array64, lower: Array64, inside: NDArray[np.bool_]) -> Unseen:
    """What a model says of `data`; the workload of a group is what follows its device."""
    groups = np.array(data.group, str)
    return Unseen(
        gain=data.gain_log,
        median=np.asarray(median, float),
        lower=np.asarray(lower, float),
        window=data.window,
        change=data.own != np.arange(len(data.own)),
        inside=inside,
        family=np.array([data.families.get(name) or UNNAMED for name in data.group], str),
        workload=np.array([workload_of(name) for name in data.group], str),
        group=groups,
    )


def workload_of(group: str) -> str:
    """ "device/workload" without its device."""
    device, _, workload = unit_of(group).partition("/")
    return workload or device


def joined(parts: Sequence[Unseen]) -> Unseen:
    """Several folds as one; windows are numbered on."""
    starts = np.cumsum([0, *(part.window.max(initial=-1) + 1 for part in parts)])
    moved = [
        {**vars(part), "window": part.window + start}
        for part, start in zip(parts, starts, strict=False)
    ]
    return Unseen(**{name: np.concatenate([m[name] for m in moved]) for name in moved[0]})


def scores(rows: Unseen, min_gain_log: float) -> Iterator[Score]:
    """Over all, then by family. A change is made where its bound is at least `min_gain_log`."""
    yield _score(ALL, rows, min_gain_log)
    for family in np.unique(rows.family).tolist():
        yield _score(family, rows.only(rows.family == family), min_gain_log)


def _score(family: str, rows: Unseen, min_gain_log: float) -> Score:
    held = rows.gain >= rows.lower
    known = rows.change & rows.inside
    chosen = best_rows(rows, rows.median, known)
    gained, most, windows = _gained(rows, chosen, min_gain_log)
    clusters = rows.workload[windows].tolist()
    return Score(
        family=family,
        groups=len(set(rows.group[rows.change].tolist())),
        share_inside=float(rows.inside[rows.change].mean()) if rows.change.any() else 0.0,
        every=clustered_share(held[known].astype(float), rows.workload[known].tolist()),
        chosen=clustered_share(held[chosen].astype(float), rows.workload[chosen].tolist()),
        regret_log=clustered_ratio(most - gained, np.ones(len(most)), clusters),
        captured=clustered_ratio(gained, most, clusters),
    )


def regrets(rows: Unseen, min_gain_log: float) -> tuple[Array64, list[str]]:
    """Log gain that was missed in each window, and its workload."""
    chosen = best_rows(rows, rows.median, rows.change & rows.inside)
    gained, most, windows = _gained(rows, chosen, min_gain_log)
    return most - gained, rows.workload[windows].tolist()


def best_rows(rows: Unseen, by: Array64, among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the row with the highest `by` of each window, `among` those that are true."""
    places = np.flatnonzero(among)
    order = places[np.lexsort((-by[places], rows.window[places]))]
    _, first = np.unique(rows.window[order], return_index=True)
    return np.asarray(order[first], np.int64)


def _gained(
    rows: Unseen, chosen: NDArray[np.int64], min_gain_log: float
) -> tuple[Array64, Array64, NDArray[np.int64]]:
    """Per window: log gain of what is done, of the best that could be, and a row of it."""
    first = best_rows(rows, rows.gain, np.isfinite(rows.gain))
    place = {window: number for number, window in enumerate(rows.window[first].tolist())}
    most, done = np.maximum(rows.gain[first], 0.0), np.zeros(len(first))
    for row in chosen[rows.lower[chosen] >= min_gain_log].tolist():
        done[place[int(rows.window[row])]] = rows.gain[row]
    return done, most, first
