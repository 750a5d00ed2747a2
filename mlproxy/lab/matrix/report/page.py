"""One HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from mlproxy.lab.matrix.report.texts import Table

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;font-size:13px;margin:.5em 0 2em;display:block;overflow:auto}"
    "th,td{border-bottom:1px solid #ccc;padding:.2em .7em;text-align:left}"
    "img{max-width:100%}pre{background:#f4f4f4;padding:.7em}"
)
CAPTIONS = {
    "ratios": "Ratio to the kernel's default, per workload",
    "captured": "Headroom captured",
    "phases": "A change of phase: throughput and knob",
    "cost": "Cost of the agent",
}


def page(
    title: str,
    sentences: Sequence[str],
    tables: Sequence[Table],
    figures: Mapping[str, bytes],
    commands: Sequence[str],
) -> str:
    """The page's text."""
    parts = [f"<h1>{escape(title)}</h1>"]
    parts += [f"<p>{escape(each)}</p>" for each in sentences]
    parts += [_figure(CAPTIONS.get(name, name), image) for name, image in figures.items()]
    parts += [_table(each) for each in tables]
    parts.append("<h2>Again</h2><pre>" + escape("\n".join(commands)) + "</pre>")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _figure(caption: str, image: bytes) -> str:
    data = base64.b64encode(image).decode()
    source = f"data:image/png;base64,{data}"
    return f'<h2>{escape(caption)}</h2>\n<img alt="{escape(caption)}" src="{source}">'


def _table(table: Table) -> str:
    if not table.rows:
        return f"<h2>{escape(table.caption)}</h2>\n<p>none</p>"
    head = "".join(f"<th>{escape(each)}</th>" for each in table.columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    caption = f"<h2>{escape(table.caption)}</h2>"
    return f"{caption}\n<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
