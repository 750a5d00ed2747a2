"""Rules that the project cares about, as tests."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from mlproxy.policy_check import check_policies
from mlproxy.policy_file import load_policies
from mlproxy.registry import load_registry
from tests.markdown import PAGES, ROOT

LONGEST = 300
CODE = sorted(
    path
    for folder in ("mlproxy", "adapters", "tests", ".ci")
    for path in (ROOT / folder).rglob("*.py")
)
CORE = [
    p
    for p in (ROOT / "mlproxy").rglob("*.py")
    if not {"cli", "lab"} & set(p.relative_to(ROOT).parts)
]
ADAPTERS = sorted(path.name for path in (ROOT / "adapters").glob("mlproxy_*"))
TEXTS = sorted(
    {
        *CODE,
        *(ROOT / page for page in PAGES),
        *ROOT.glob("configs/*"),
        *ROOT.glob("adapters/*/*.*"),
        *ROOT.glob("mlproxy/templates/**/*.in"),
        *(ROOT / name for name in ("Makefile", "pyproject.toml", "requirements.lock", ".ci/run")),
    }
)
CONTRACT = {
    f"mlproxy.{name}" for name in ("adapter", "features", "knob", "objective", "proxy", "snapshot")
}
HERE = re.escape(str(ROOT))
MACHINE_WORDS = re.compile(rf"{HERE}|index-url[= ]+\w|https?://\S+/simple\b")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path, top_level: bool = False) -> Iterator[str]:
    """Modules that a file imports, whole names; those inside functions only if asked."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_the_core_knows_neither_adapters_nor_command_line_nor_lab(path: Path) -> None:
    above = ("mlproxy.cli", "mlproxy.lab", *ADAPTERS)
    assert [name for name in _imports(path) if name.startswith(above)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "mlproxy/lab").rglob("*.py")), ids=_name)
def test_the_lab_does_not_know_the_adapters(path: Path) -> None:
    assert [name for name in _imports(path) if name.startswith(tuple(ADAPTERS))] == []


@pytest.mark.parametrize("path", sorted((ROOT / "mlproxy/cli").glob("*.py")), ids=_name)
def test_the_command_line_loads_the_lab_only_when_asked(path: Path) -> None:
    early = [name for name in _imports(path, top_level=True) if name.startswith("mlproxy.lab")]
    assert early == []


@pytest.mark.parametrize("package", ADAPTERS)
def test_an_adapter_imports_only_the_public_contract(package: str) -> None:
    for path in (ROOT / "adapters" / package).rglob("*.py"):
        used = {name for name in _imports(path) if name.startswith("mlproxy.")}
        assert used <= CONTRACT, path
        others = tuple(set(ADAPTERS) - {package})
        assert not [name for name in _imports(path) if name.startswith(others)], path


@pytest.mark.parametrize("package", ADAPTERS)
def test_an_adapter_is_complete(package: str) -> None:
    folder = ROOT / "adapters" / package
    for name in ("__init__.py", "py.typed", "policy.yaml", "README.md", "model/manifest.json"):
        assert (folder / name).exists(), name


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_nothing_is_tied_to_one_machine(path: Path) -> None:
    lines = enumerate(path.read_text().splitlines(), 1)
    own = path == Path(__file__)
    assert [(n, line) for n, line in lines if MACHINE_WORDS.search(line) and not own] == []


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    blocks = (ROOT / "README.md").read_text().split("\n\n")
    first = next(block for block in blocks if block.startswith("    "))
    commands = [line.partition("#")[0].strip() for line in first.splitlines()]
    assert commands == ["make run", "make test"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.yaml")), ids=_name)
def test_every_deployment_policy_passes_the_check(path: Path) -> None:
    assert check_policies(load_policies(path), load_registry().adapters) == []


def test_the_makefile_lists_its_targets() -> None:
    text = (ROOT / "Makefile").read_text()
    for name in ("run", "test", "lint", "models", "train", "bench", "bench-quick", "demo"):
        assert re.search(rf"^{name}:.*  ## \w", text, re.MULTILINE), name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[^A-Za-z0-9_-]", each)[0].lower() for each in asked}
    locked = re.findall(r"^([a-z0-9_-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    assert names - set(locked) == set()


def test_the_tests_that_the_safety_page_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/safety.md").read_text()))
    exist = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    assert len(named) > 20
    assert named - exist == set()
