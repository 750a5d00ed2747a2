"""YAML to plain values, with the line of each: pure, bounded, and strict.

Only what a policy needs is taken: mappings, lists and scalars as YAML 1.2's core schema
reads them ("no", "010" and "1:30" stay words). Anchors, aliases and tags are refused, so a
small file cannot become a large value; depth is bounded, so it cannot exhaust the stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from mlproxy.policy import Place

MAX_DEPTH = 8
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_REAL = re.compile(r"[-+]?[0-9]{0,18}\.?[0-9]{1,18}([eE][-+]?[0-9]{1,3})?|[-+]?[0-9]{1,18}\.")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, order=True)
class Broken:
    """One broken rule. str() follows `file:`, e.g. "3: mode: value 'x' is not allowed: ..."."""

    line: int
    field: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.line}: {self.field}: {self.found} is not allowed: allowed is {self.allowed}"


class Refused(Exception):
    """The text is not the YAML that a policy may use."""

    def __init__(self, broken: Broken) -> None:
        super().__init__(str(broken))
        self.broken = broken


@dataclass
class Document:
    """One YAML document: its value, the line and the text of each place, broken rules.

    The line of what a mapping holds is its key's line.
    """

    value: Any
    line: int
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)


def read_documents(text: str) -> list[Document]:
    """Every document of the text. Raises: Refused (one reason, with its line)."""
    try:
        return [_document(node) for node in _nodes(text)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Refused(_syntax(line, error.problem or error.context or "unreadable")) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Refused(_syntax(line, f"character {error.character!r}")) from None
    except (ValueError, IndexError, OverflowError) as error:
        # PyYAML's scanner leaks these, e.g. for %YAML directives and \U escapes beyond Unicode.
        raise Refused(_syntax(1, f"{error}")) from None


def dotted(place: Place) -> str:
    """("match", "devices", 0) as people write it: match.devices[0]."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(parts).lstrip(".") or "document"


class _Loader(yaml.SafeLoader):
    """Composes nodes without anchors, aliases or deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        _refuse_sharing(event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Refused(
                Broken(_line(event), "yaml", "nesting", f"at most {MAX_DEPTH} levels deep")
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refuse_sharing(event: Any) -> None:
    anchor = getattr(event, "anchor", None)
    if anchor is not None:
        sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
        advice = 'plain values (quote a glob that starts with a star: "*")'
        raise Refused(Broken(_line(event), "yaml", f"value {sign + anchor!r}", advice))
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise Refused(Broken(_line(event), "yaml", f"tag {short(tag)}", "plain values, no tags"))


def _nodes(text: str) -> Iterator[yaml.Node]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    finally:
        loader.dispose()


def _document(node: yaml.Node) -> Document:
    document = Document(None, node.start_mark.line + 1)
    document.lines[()] = document.line
    document.value = _value(node, (), document)
    return document


def _value(node: yaml.Node, place: Place, document: Document) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_item(item, (*place, n), document) for n, item in enumerate(node.value)]
    document.texts[place] = str(node.value)
    return _scalar(node.value) if getattr(node, "style", None) is None else node.value


def _item(node: yaml.Node, place: Place, document: Document) -> Any:
    document.lines[place] = node.start_mark.line + 1
    return _value(node, place, document)


def _mapping(node: yaml.MappingNode, place: Place, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            document.broken.append(Broken(line, dotted(place), "a key that is no word", "a word"))
            continue
        inside = (*place, key.value)
        if key.value in values:
            first = document.lines[inside]
            found = f"repeated key {short(key.value)}"
            broken = Broken(line, dotted(inside), found, f"each key once (first on line {first})")
            document.broken.append(broken)
            continue
        document.lines[inside] = line
        values[key.value] = _value(item, inside, document)
    return values


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) and "." in text else text


def short(value: object) -> str:
    """A value for a message: on one line, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[0]}"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _syntax(line: int, problem: str) -> Broken:
    found = f"text with the problem {short(problem)}"
    return Broken(line, "yaml", found, "YAML, indented by spaces, with globs in quotes")
