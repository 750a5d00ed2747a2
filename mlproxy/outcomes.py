"""The outcome log: what was seen, recommended, decided and measured, one JSON line each.

It is what `explain` and `status` read and what models are trained on later. A record that
cannot be written is counted, never fatal: the log serves the agent, not the other way.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlproxy.disk import cannot

FORMAT = 1
NAME = "outcomes.jsonl"
MOST_BYTES = 16 * 2**20
"""At this size the log is moved aside to `outcomes.1.jsonl`, replacing the one before."""


class Outcomes:
    """Append-only log under the state directory."""

    def __init__(self, state: Path) -> None:
        self.path = state / NAME
        self.lost = 0

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record of `kind`: decision, change, trial, measured, look, revert,
        stand-down."""
        record = {"format": FORMAT, "time_s": round(time.time(), 3), "kind": kind, **fields}
        try:
            self._rotate()
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.path.open("a") as file:
                file.write(json.dumps(record, default=str) + "\n")
        except OSError:
            self.lost += 1

    def read(self) -> Iterator[dict[str, Any]]:
        """Records, oldest first; torn and foreign lines are passed over.

        Raises: NotPermitted: this user may not read it; MlproxyError: nobody can."""
        for path in (self.path.with_name("outcomes.1.jsonl"), self.path):
            try:
                yield from read_log(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise cannot("read", path, error) from error

    def _rotate(self) -> None:
        try:
            size = self.path.stat().st_size
        except OSError:
            return
        if size > MOST_BYTES:
            os.replace(self.path, self.path.with_name("outcomes.1.jsonl"))  # noqa: PTH105


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Records of one file; torn and foreign lines are passed over. Raises: OSError."""
    yield from filter(None, map(_parse, path.read_text(errors="replace").splitlines()))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    known = isinstance(record, dict) and record.get("format") == FORMAT and "kind" in record
    return record if known else None
