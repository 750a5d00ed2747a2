"""The same as Markdown, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from mlproxy.lab.matrix.report.texts import Table


def markdown(
    title: str, sentences: Sequence[str], tables: Sequence[Table], commands: Sequence[str]
) -> str:
    """The document's text."""
    parts = [f"# {title}", *sentences]
    for table in tables:
        parts += [f"## {table.caption}", _table(table)]
    parts += ["## Again", "\n".join(f"    {each}" for each in commands)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    if not table.rows:
        return "None."
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
