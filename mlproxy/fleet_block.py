"""What a Dask worker holds and does of a training: one file, unrolled into rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlproxy.adapter import Adapter
from mlproxy.augment import COPIES, augmentation_of
from mlproxy.capacity import capacity_of
from mlproxy.columns import Array64
from mlproxy.dataset import Dataset, build_dataset, unit_of
from mlproxy.domain import Domain
from mlproxy.errors import ConfigError
from mlproxy.knob import Setting
from mlproxy.parquet import read_parquet
from mlproxy.training import HeldOut

MOST_WINDOWS = 64
"""Of each group and setting that are brought back for the domain."""


@dataclass(frozen=True)
class Block:
    """One file on a worker, and its outline, which is sent back: the same without rows, and with
    few windows."""

    data: Dataset
    settings: tuple[Setting, ...]
    records: int
    windows: int

    def outline(self) -> Block:
        """All that calibration needs."""
        kept = _few(self.data)
        thin = replace(
            self.data,
            rows=self.data.rows[:0],
            window_rows=self.data.window_rows[kept],
            window_group=[self.data.window_group[place] for place in kept.tolist()],
        )
        return replace(self, data=thin)


def load_block(adapter: Adapter, url: str) -> Block:
    """On a worker: one file, unrolled into rows. Raises: ConfigError."""
    import fsspec

    try:
        with fsspec.open(url, "rb") as file:
            records = read_parquet(adapter, file, url)
    except OSError as error:
        raise ConfigError(f"{url}: cannot be read: {error}") from error
    data = build_dataset(adapter, records)
    settings = {tuple(sorted(record.setting.items())) for record in records}
    return Block(data, tuple(map(dict, sorted(settings))), len(records), len(data.window_rows))


def piece(
    adapter: Adapter, block: Block, fold_of: Mapping[str, int], fold: int, seed: int, hands: int
) -> list[tuple[Any, Any, Any]]:
    """On a worker: augmented rows, labels and weights of what is not in a fold, shuffled and
    dealt to so many hands."""
    data = block.data
    own = ~in_fold(data, fold_of, fold)
    blurred = augmentation_of(adapter.schema, capacity_of(len(fold_of)))
    rows = blurred.copies(data.rows[own], seed)
    gain, weight = np.tile(data.gain_log[own], COPIES), np.tile(data.weight[own], COPIES)
    order = np.random.default_rng(seed).permutation(len(rows))
    shares = (order[hand::hands] for hand in range(hands))
    return [(rows[share], gain[share], weight[share]) for share in shares]


def predict(
    block: Block,
    fold_of: Mapping[str, int],
    boosters: Mapping[int, Any],
    domains: Mapping[int, Domain],
) -> HeldOut:
    """On a worker: every row of a block by the booster that never saw its group."""
    data = block.data
    gains, inside = np.zeros((len(data.rows), 2)), np.zeros(len(data.rows), bool)
    for fold, booster in boosters.items():
        out = in_fold(data, fold_of, fold)
        if out.any():
            gains[out] = booster.inplace_predict(data.rows[out])
            near = domains[fold].distance(data.window_rows) <= 1.0
            inside[out] = near[data.window[out]]
    return HeldOut(gains, inside)


def in_fold(data: Dataset, fold_of: Mapping[str, int], fold: int) -> NDArray[np.bool_]:
    """Rows that are left out in a fold."""
    return np.array([fold_of[unit_of(name)] == fold for name in data.group])


def _few(data: Dataset) -> NDArray[np.int64]:
    """The first windows of each group and setting, and those with an extreme of a feature."""
    taken: dict[str, int] = {}
    kept = set()
    for place, name in enumerate(data.window_group):
        taken[name] = taken.get(name, 0) + 1
        if taken[name] <= MOST_WINDOWS:
            kept.add(place)
    known: Array64 = data.window_rows[:, ~np.isnan(data.window_rows).all(axis=0)]
    kept |= set(np.nanargmin(known, axis=0).tolist()) | set(np.nanargmax(known, axis=0).tolist())
    return np.array(sorted(kept))
