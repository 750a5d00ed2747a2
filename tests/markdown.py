"""Code blocks of the project's documents, so that tests can use what readers see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")))

FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", re.DOTALL)
RUN = re.compile(r"<!-- run(: compare)? -->\n```console\n(.*?)```\n", re.DOTALL)
PROMPT = "$ "


@dataclass(frozen=True)
class Example:
    """A marked console block: one command, and the output shown below it."""

    page: str
    command: str
    shown: str
    compared: bool
    start: int


def files_in(page: str) -> dict[str, str]:
    """Blocks marked `<!-- file: PATH -->`, by path."""
    return dict(FILE.findall((ROOT / page).read_text()))


def examples() -> Iterator[Example]:
    """Every marked console block of every page."""
    for page in PAGES:
        for found in RUN.finditer((ROOT / page).read_text()):
            command, _, shown = found[2].partition("\n")
            assert command.startswith(PROMPT), f"{page}: {command!r} must start with {PROMPT!r}"
            plain = command.removeprefix(PROMPT)
            yield Example(page, plain, shown, bool(found[1]), found.start(2))


def show(example: Example, output: str) -> None:
    """Replace what the page shows of an example."""
    path = ROOT / example.page
    text = path.read_text()
    head, rest = text[: example.start], text[example.start :]
    _, _, tail = rest.partition("```\n")
    path.write_text(f"{head}{PROMPT}{example.command}\n{output}```\n{tail}")
