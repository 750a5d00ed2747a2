"""Writes a report into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.parquet import RowFile, read_files
from mlproxy.lab.matrix.peers import Rows
from mlproxy.lab.matrix.report.figures import figures
from mlproxy.lab.matrix.report.markdown import markdown
from mlproxy.lab.matrix.report.page import page
from mlproxy.lab.matrix.report.texts import sentences, tables
from mlproxy.lab.matrix.summary import Summary, summarize
from mlproxy.lab.rows import read_rows
from mlproxy.registry import load_registry

PAGE, MARKDOWN = "report.html", "results.md"
PLACE = "data/bench"


def read_summary(rows: Sequence[Path], training: Sequence[Path] = ()) -> tuple[Summary, RowFile]:
    """The summary of rows, with what it is of. Raises: ConfigError."""
    file = read_files(rows)
    learn: Rows = list(read_rows(training))
    return summarize(file, learn, load_registry().adapters), file


def write_report(
    rows: Sequence[Path], folder: Path | None = None, training: Sequence[Path] = ()
) -> tuple[Summary, list[Path]]:
    """The page, the Markdown and the figures; the summary and what was written.

    Without a folder they go where `mlproxy bench` puts the rows of a matrix, not beside these.

    Raises: ConfigError.
    """
    summary, file = read_summary(rows, training)
    name = str(summary.matrix["name"])
    folder = folder or Path(PLACE) / name
    title = f"Results: {name}"
    said, shown = sentences(summary), tables(summary)
    commands = _again(name.split("+"), training)
    images = figures(summary, file.rows)
    texts = {
        PAGE: page(title, said, shown, images, commands),
        MARKDOWN: markdown(title, said, shown, commands),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / each for each in texts] + [folder / f"{each}.png" for each in images]
        for file_name, text in texts.items():
            (folder / file_name).write_text(text, encoding="utf-8")
        for image_name, image in images.items():
            (folder / f"{image_name}.png").write_bytes(image)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    return summary, written


def _again(names: Sequence[str], training: Sequence[Path]) -> list[str]:
    """The commands that make the rows and the report once more."""
    more = "".join(f" --training {path}" for path in training)
    files = " ".join(f"{PLACE}/{name}/rows.parquet" for name in names)
    measured = [f"sudo mlproxy bench {name} -o {PLACE}/{name}" for name in names]
    return [*measured, f"mlproxy bench report {files}{more}"]
