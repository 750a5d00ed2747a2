"""The reference of all `--json` formats (docs/json.md), made from the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlproxy.cli.schema import (
    AdaptersReport,
    ApplyReport,
    CheckReport,
    ExplainReport,
    Part,
    ProbeReport,
    RevertReport,
    StatusReport,
)
from mlproxy.cli.schema_bench import BenchReport
from mlproxy.cli.schema_training import EvaluateReport, TrainReport

REPORTS: tuple[type[Part], ...] = (
    ProbeReport,
    ApplyReport,
    StatusReport,
    ExplainReport,
    RevertReport,
    CheckReport,
    AdaptersReport,
    TrainReport,
    EvaluateReport,
    BenchReport,
)

Schema = Mapping[str, Any]

HEAD = """# JSON formats

Every command that ends with a table prints the same as JSON with `--json`; `run` and `demo` show
theirs while they work. The field `format` names command and version; a version rises when a field
is removed or changes its meaning, new fields may come at any time. Gains are ratios minus one:
0.25 is 25 % better. A value of a knob is an integer or a word. What is not known is null, never
zero.

This page is made from the models in `mlproxy/cli/schema*.py`; a test keeps it so.
"""


def json_reference() -> str:
    """The whole page in markdown."""
    parts: dict[str, Schema] = {}
    sections = []
    for report in REPORTS:
        schema = report.model_json_schema(mode="serialization")
        parts |= schema.get("$defs", {})
        title = schema["properties"]["format"]["const"]
        sections.append("\n".join(_section(title, schema)))
    parted = ("\n".join(_section(name, schema)) for name, schema in sorted(parts.items()))
    return "\n".join([HEAD, *sections, "# Parts\n", *parted])


def _section(title: str, schema: Schema) -> Iterator[str]:
    yield f"## {title}\n"
    text = str(schema.get("description", "")).partition("\n")[0]
    if text:
        yield f"{text}\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for name, field in schema["properties"].items():
        yield f"| {name} | {_kind(field)} | {field.get('description', '')} |"
    yield ""


def _kind(field: Schema) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "const" in field:
        return f'"{field["const"]}"'
    if "enum" in field:
        return ", ".join(f'"{word}"' for word in field["enum"])
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}"
    if field["type"] == "object":
        return f"map to {_kind(field['additionalProperties'])}"
    return str(field["type"])
