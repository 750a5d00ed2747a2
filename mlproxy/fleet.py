"""Training on a Dask cluster: rows stay on its workers, one Parquet file per task.

The same steps as `training`: every fold leaves whole groups out, what they say calibrates the
bound. What comes back is what each row measured and what was predicted for it, not the rows, and
of windows so many of each group as the domain needs. Workers average their own quantiles of a leaf,
so that a model agrees with one trained here in quality, not in every bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.augment import COPIES
from mlproxy.capacity import capacity_of
from mlproxy.columns import column_names
from mlproxy.dataset import Dataset, unit_of
from mlproxy.domain import Domain, fit_domain
from mlproxy.errors import ConfigError
from mlproxy.fleet_block import Block, in_fold, load_block, piece, predict
from mlproxy.manifest import Manifest
from mlproxy.parquet import SUFFIX
from mlproxy.training import (
    PARAMETERS,
    ROUNDS,
    HeldOut,
    candidates_of,
    folds_of,
    write_model,
)

ANSWERS_S = 10
"""A scheduler that does not answer for so long is not there."""


def train_on_fleet(
    adapter: Adapter, sources: Sequence[str], folder: Path, scheduler: str, seed: int = 1
) -> tuple[Manifest, int]:
    """Train on the cluster and write the model into `folder`; also how many records there were.

    Args:
        sources: Parquet files, or folders of them, as paths that every worker sees or URLs of
            fsspec. A group is whole within one file.
        scheduler: address of the Dask scheduler.

    Raises: ConfigError without the extra `fleet`, scheduler or files, or for a group in two files.
    """
    try:
        import dask.array
        import distributed
    except ImportError as error:
        raise ConfigError("--engine dask needs: pip install 'mlproxy[fleet]'") from error
    files = parts_of(sources)
    try:
        client = distributed.Client(scheduler, timeout=ANSWERS_S)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{scheduler}: no Dask scheduler answers: {error}") from error
    with client:
        return _Fleet(client, dask.array, adapter, files, seed).train(folder)


def parts_of(sources: Sequence[str]) -> list[str]:
    """Every Parquet file of the sources, in order. Raises: ConfigError where there is none."""
    import fsspec

    found: list[str] = []
    for source in sources:
        try:
            files, path = fsspec.core.url_to_fs(source)
            names = [path] if path.endswith(SUFFIX) else files.glob(f"{path}/*{SUFFIX}")
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(f"{source}: cannot be read: {error}") from error
        if not names:
            raise ConfigError(f"{source}: no *{SUFFIX} there; `mlproxy convert --parts` makes them")
        found += sorted(files.unstrip_protocol(name) for name in names)
    return found


class _Fleet:
    """One training: the blocks on the workers and what is known of them here."""

    def __init__(
        self, client: Any, array: Any, adapter: Adapter, files: Sequence[str], seed: int
    ) -> None:
        self.client, self.array, self.adapter, self.seed = client, array, adapter, seed
        self.workers = sorted(client.nthreads())
        if not self.workers:
            raise ConfigError("the Dask scheduler has no workers")
        self.blocks = client.map(load_block, [adapter] * len(files), files, pure=False)
        self.outlines: list[Block] = client.gather(client.map(Block.outline, self.blocks))
        _require_whole_groups(self.outlines, files)
        self.data = _joined([outline.data for outline in self.outlines], self._starts())
        self.fold_of = folds_of(self.data.group, seed)
        if len(self.fold_of) < 2:
            raise ConfigError("1 group of records; grouped validation needs two or more")

    def train(self, folder: Path) -> tuple[Manifest, int]:
        held_out = self._cross_validate()
        booster = self._fit(-1)
        settings = [setting for outline in self.outlines for setting in outline.settings]
        known = candidates_of(self.adapter, settings)
        made = write_model(self.adapter, self.data, held_out, booster, folder, known, self.seed)
        return made, sum(outline.records for outline in self.outlines)

    def _starts(self) -> list[int]:
        return list(accumulate((outline.windows for outline in self.outlines), initial=0))

    def _cross_validate(self) -> HeldOut:
        """As training does it, on the workers."""
        folds = sorted(set(self.fold_of.values()))
        boosters = {fold: self._fit(fold) for fold in folds}
        domains = {fold: self._domain(fold) for fold in folds}
        tasks = [
            self.client.submit(predict, block, self.fold_of, boosters, domains, pure=False)
            for block in self.blocks
        ]
        held = self.client.gather(tasks)
        gains, inside = [each.gains for each in held], [each.inside for each in held]
        return HeldOut(np.vstack(gains), np.concatenate(inside))

    def _domain(self, fold: int) -> Domain:
        """Of what is shown in a fold."""
        groups = self.data.window_group
        kept = [n for n, name in enumerate(groups) if self.fold_of[_unit(name)] != fold]
        return fit_domain(self.data.window_rows[kept], [groups[n] for n in kept], self.seed)

    def _fit(self, fold: int) -> Any:
        """A booster of all but one fold; -1 leaves none out."""
        from xgboost import dask as fleet

        matrix = fleet.DaskQuantileDMatrix(self.client, **self._arrays(fold))
        capacity = capacity_of(len(self.fold_of))
        parameters = {**PARAMETERS, **capacity.parameters, "seed": self.seed}
        return fleet.train(self.client, parameters, matrix, num_boost_round=ROUNDS)["booster"]

    def _arrays(self, fold: int) -> dict[str, Any]:
        """Rows, labels and weights as Dask arrays. Each worker gets a share of every block: the
        quantile of a leaf is the mean of the workers' own, right only if their rows are alike."""
        width = len(column_names(self.adapter.schema.names(), self.adapter.asked))
        chunks = []
        for block, outline in zip(self.blocks, self.outlines, strict=True):
            count = int((~in_fold(outline.data, self.fold_of, fold)).sum()) * COPIES
            if count:
                chunks += self._dealt(block, fold, count)
        return {
            "data": self._array([(each, (n, width)) for each, n in chunks], 0, np.float32),
            "label": self._array([(each, (n,)) for each, n in chunks], 1, np.float64),
            "weight": self._array([(each, (n,)) for each, n in chunks], 2, np.float64),
        }

    def _dealt(self, block: Any, fold: int, count: int) -> list[tuple[Any, int]]:
        """The rows of a block, shared among the workers, with how many each got."""
        submit, hands = self.client.submit, len(self.workers)
        made = submit(piece, self.adapter, block, self.fold_of, fold, self.seed, hands, pure=False)
        dealt = []
        for place, worker in enumerate(self.workers):
            share = submit(getitem, made, place, pure=False)  # where it was made: only it moves
            there = submit(_same, share, workers=[worker], pure=False)
            if size := len(range(place, count, hands)):
                dealt.append((there, size))
        return dealt

    def _array(self, chunks: Sequence[tuple[Any, tuple[int, ...]]], place: int, kind: Any) -> Any:
        from dask.delayed import delayed

        parts = [
            self.array.from_delayed(delayed(made)[place], shape=shape, dtype=kind)
            for made, shape in chunks
        ]
        return self.array.concatenate(parts)


def _same(share: Any) -> Any:
    return share


def _unit(window_group: str) -> str:
    """ "device/workload@setting" as what is left out as a whole."""
    return unit_of(window_group.rpartition("@")[0])


def _require_whole_groups(outlines: Sequence[Block], files: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for outline, file in zip(outlines, files, strict=True):
        for group in outline.data.families:
            if seen.setdefault(group, file) != file:
                raise ConfigError(f"group {group} is in {seen[group]} and in {file}: convert again")


def _joined(parts: Sequence[Dataset], starts: Sequence[int]) -> Dataset:
    """Outlines as one; rows and windows are numbered on."""
    rows = accumulate((len(part.own) for part in parts), initial=0)
    digests = "\n".join(sorted(part.digest for part in parts))
    return Dataset(
        rows=parts[0].rows,
        gain_log=np.concatenate([part.gain_log for part in parts]),
        own=np.concatenate([p.own + start for p, start in zip(parts, rows, strict=False)]),
        window=np.concatenate([p.window + n for p, n in zip(parts, starts, strict=False)]),
        group=[name for part in parts for name in part.group],
        window_rows=np.vstack([part.window_rows for part in parts]),
        window_group=[name for part in parts for name in part.window_group],
        digest=hashlib.sha256(digests.encode()).hexdigest(),
        weight=np.concatenate([part.weight for part in parts]),
        families={name: family for part in parts for name, family in part.families.items()},
    )
