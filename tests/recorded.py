"""The rows that the repository's models are trained on, as records."""

from __future__ import annotations

from functools import lru_cache

from mlproxy.adapter import Adapter
from mlproxy.dataset import Record, unit_of
from mlproxy.lab.rows import read_rows, records_of
from mlproxy.registry import load_registry
from tests.markdown import ROOT


@lru_cache
def recorded(adapter: str = "readahead") -> tuple[Record, ...]:
    """All records of an adapter but those of short runs, of which a test learns nothing more."""
    found = load_registry().get(adapter)
    records = records_of(found, read_rows([ROOT / f"training/{adapter}.jsonl.gz"]))
    return tuple(record for record in records if unit_of(record.group) == record.group)


def of_device(device: str, every: int = 1) -> list[Record]:
    """Readahead records of one device; of every so manieth workload."""
    own = [record for record in recorded() if record.group.startswith(f"{device}/")]
    groups = sorted({record.group for record in own})[::every]
    return [record for record in own if record.group in groups]


def readahead() -> Adapter:
    """The adapter of these records."""
    return load_registry().get("readahead")
