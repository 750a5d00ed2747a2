"""Help and documents say what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.cli.exit_codes import exit_codes
from mlproxy.cli.json_docs import json_reference
from mlproxy.cli.program import app
from tests.cli.conftest import Command

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback]
COMMANDS = [*((name,) for name in NAMES), ("adapters",), ("adapters", "new")]
COMMANDS += [("bench",), ("bench", "report")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(mlproxy: Command, command: tuple[str, ...]) -> None:
    ended = mlproxy(*command, "--help")
    assert ended.code == 0
    assert f"mlproxy {' '.join(command)}" in ended.out.partition("Example:")[2]


@pytest.mark.parametrize(
    ("command", "default"),
    [
        (("apply",), "(each adapter's own policy)"),
        (
            ("apply",),
            "($MLPROXY_STATE, else /var/lib/mlproxy for root, else ~/.local/state/mlproxy)",
        ),
        (("revert",), "(all)"),
        (("adapters", "new"), "(mlproxy-NAME)"),
        (("adapters", "new"), "(the kernel's, if known)"),
        (("bench", "report"), "(data/bench/MATRIX)"),
    ],
)
def test_help_says_what_holds_where_nothing_is_given(
    mlproxy: Command, command: tuple[str, ...], default: str
) -> None:
    text = mlproxy(*command, "--help").out.replace("│", " ")
    assert f"[default: {default}]" in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_manual(command: tuple[str, ...]) -> None:
    assert f"`{' '.join(command)}" in (DOCS / "cli.md").read_text().replace(", `", "\n| `")


def test_exit_codes_are_documented(mlproxy: Command) -> None:
    manual, usage = (DOCS / "cli.md").read_text(), " ".join(mlproxy("--help").out.split())
    for code, meaning in exit_codes().items():
        assert f"| {code} | {meaning} |" in manual
        assert f"{code} {meaning}" in usage


def test_json_reference_is_what_the_models_say(update_goldens: bool) -> None:
    page = DOCS / "json.md"
    if update_goldens:
        page.write_text(json_reference())
    assert page.read_text() == json_reference()
