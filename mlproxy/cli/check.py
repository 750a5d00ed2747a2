"""`mlproxy check`: every problem of some policy files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlproxy.adapter import Adapter
from mlproxy.cli.console import emit, line, note
from mlproxy.cli.options import AsJson
from mlproxy.cli.schema import CheckedFile, CheckReport
from mlproxy.errors import ConfigError, MlproxyError
from mlproxy.policy import BUILTIN, Policy
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import load_policies
from mlproxy.registry import load_registry

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Policy files.", readable=False)
]


def check(files: Files, as_json: AsJson = False) -> None:
    """Check policies: file, line, field, value and what is allowed; exit 2 if any is wrong.

    Files are checked one by one, against the installed adapters, and against each other:
    two policies may not claim the same knob of one device. A model that one names must load.

    Example: mlproxy check configs/database.yaml
    """
    report = check_report(files)
    emit(report, as_json, _show)
    if not report.ok:
        raise typer.Exit(ConfigError.exit_code)


def check_report(files: Sequence[Path]) -> CheckReport:
    """All problems of all files."""
    registry = load_registry()
    for name, why in registry.broken.items():
        note(f"adapter {name} is skipped: {why}")
    checked, policies = [], []
    for path in files:
        loaded, problems = _load(path)
        policies += loaded
        checked.append(CheckedFile(file=str(path), policies=len(loaded), problems=problems))
    together = (
        *check_policies(policies, registry.adapters),
        *_without_model(policies, registry.adapters),
    )
    ok = not together and not any(each.problems for each in checked)
    return CheckReport(ok=ok, files=tuple(checked), problems=together)


def _without_model(policies: Iterable[Policy], adapters: Mapping[str, Adapter]) -> Iterator[str]:
    """Policies that name a model which cannot be used; an adapter need not ship one."""
    for policy in policies:
        if policy.model == BUILTIN or policy.adapter not in adapters:
            continue
        from mlproxy.model import load_model  # numpy and XGBoost: not for every policy

        try:
            load_model(adapters[policy.adapter], policy.model)
        except MlproxyError as error:
            yield f"{policy.where('model')}: model: {error}"


def _load(path: Path) -> tuple[list[Policy], tuple[str, ...]]:
    try:
        return load_policies(path), ()
    except MlproxyError as error:
        return [], tuple(str(error).splitlines())


def _show(console: Console, report: CheckReport) -> None:
    """Problems in the form of a compiler's; an "ok" line for each file without one."""
    for each in report.files:
        for problem in each.problems:
            line(console, problem)
        own = any(problem.startswith(f"{each.file}:") for problem in report.problems)
        if not each.problems and not own:
            plural = "policy" if each.policies == 1 else "policies"
            line(console, f"{each.file}: ok ({each.policies} {plural})")
    for problem in report.problems:
        line(console, problem)
