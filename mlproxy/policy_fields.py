"""What the models of a policy are made of: typed values with units, and how to declare one.

Each field's description says what is allowed: errors, the JSON schema and the reference
all show that one text. Defaults are written as in YAML and pass the same checks.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from mlproxy import units

Duration = Annotated[
    float,
    BeforeValidator(units.parse_duration_s),
    WithJsonSchema({"type": "string", "pattern": units.DURATION}),
]
Percent = Annotated[
    float,
    BeforeValidator(units.parse_percent),
    WithJsonSchema({"type": "string", "pattern": units.PERCENT}),
]
Factor = Annotated[
    float,
    BeforeValidator(units.parse_factor),
    WithJsonSchema({"type": "string", "pattern": units.FACTOR}),
]
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


def _glob(text: object) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= 255 or not text.isprintable():
        raise ValueError("a glob is printable text")
    if text.startswith("/dev/") or text.count("[") != text.count("]"):
        raise ValueError("a glob is a kernel name or a mount, with closed brackets")
    return text


Glob = Annotated[str, BeforeValidator(_glob)]


class Part(BaseModel):
    """Base of everything in a policy: frozen, unknown keys refused, defaults checked."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


def allowed(text: str, default: Any = ..., key: str | None = None, **limits: Any) -> Any:
    """Declare one field: what is allowed in it, its default as in YAML, its YAML key."""
    return Field(default, description=text, alias=key, **limits)


def keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The YAML keys of a model, in the order of its fields."""
    return tuple(info.alias or name for name, info in model.model_fields.items())


def rule(text: str) -> PydanticCustomError:
    """A broken rule between fields; `text` says what is allowed."""
    return PydanticCustomError("rule", "{allowed}", {"allowed": text})
