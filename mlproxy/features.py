"""Feature schemas: typed, named, unit-carrying values that a model sees.

A schema is a pydantic model whose fields are floats: `float` is required, `float | None`
is optional. A missing optional feature is NaN to the model, never zero.
"""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


def feature(unit: str, source: str, what: str, *, optional: bool = False) -> Any:
    """Declare one feature of a schema: its unit, the kernel file it comes from, its meaning."""
    default = None if optional else ...
    extra = {"unit": unit, "source": source}
    return Field(default, description=what, json_schema_extra=extra)  # type: ignore[arg-type]


class FeatureSchema(BaseModel):
    """Base of every adapter's feature schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """Feature names in the order a model sees them."""
        return tuple(cls.model_fields)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names without which nothing is recommended."""
        return tuple(name for name, info in cls.model_fields.items() if info.is_required())

    @classmethod
    def describe(cls) -> list[dict[str, str | bool]]:
        """One row per feature: name, unit, source, required, what."""
        return [_row(name, info) for name, info in cls.model_fields.items()]

    @classmethod
    @cache
    def fingerprint(cls) -> str:
        """12 hex digits over names, units and requiredness; a model is bound to it."""
        rows = [[row["name"], row["unit"], row["required"]] for row in cls.describe()]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]

    def vector(self) -> list[float]:
        """Values in the order of `names()`, NaN where one is missing."""
        values = (getattr(self, name) for name in self.names())
        return [math.nan if value is None else float(value) for value in values]


def _row(name: str, info: FieldInfo) -> dict[str, str | bool]:
    extra = info.json_schema_extra
    assert isinstance(extra, dict), f"feature {name} must be declared with feature()"
    return {
        "name": name,
        "unit": str(extra["unit"]),
        "source": str(extra["source"]),
        "required": info.is_required(),
        "what": info.description or "",
    }
