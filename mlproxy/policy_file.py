"""Policies from YAML files; every broken rule is named with file, line, field, value, allowed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mlproxy.adapter import Adapter
from mlproxy.errors import NotPermitted, PolicyError
from mlproxy.owner import require_owned
from mlproxy.policy import Origin, Place, Policy
from mlproxy.policy_fields import keys
from mlproxy.policy_yaml import Broken, Document, Refused, dotted, read_documents, short

MAX_BYTES = 64 * 1024
MAX_RULES = 20
"""Broken rules that one message names."""
_DOCUMENT = f"a mapping with {', '.join(keys(Policy))}"


def load_policy(path: Path) -> Policy:
    """The one policy of a file. Raises: PolicyError, NotPermitted."""
    first, *more = load_policies(path)
    if more:
        found = f"{len(more) + 1} documents"
        raise _error(path, [Broken(more[0].line, "document", found, "one policy")])
    return first


def load_policies(path: Path) -> list[Policy]:
    """Every policy of a file, one per YAML document.

    Raises:
        PolicyError: one line per broken rule, or that the file is not there.
        NotPermitted: the file may not be read, or others can write to it.
    """
    return parse_policies(_read(path), path)


def parse_policies(data: bytes, path: Path) -> list[Policy]:
    """Every policy in the content of `path`. Raises: PolicyError."""
    try:
        documents = read_documents(_decode(data))
    except Refused as refused:
        raise _error(path, [refused.broken]) from None
    if not documents:
        raise _error(path, [Broken(1, "document", "an empty file", _DOCUMENT)])
    policies, broken = [], []
    for document in documents:
        try:
            policies.append(_policy(document, path))
        except _BrokenRules as error:
            broken += error.rules
    if broken:
        raise _error(path, broken)
    return policies


def default_policy(adapter: Adapter) -> Policy:
    """The policy that an adapter ships. Raises: PolicyError, NotPermitted."""
    return load_policy(adapter.home() / "policy.yaml")


class _BrokenRules(Exception):
    def __init__(self, rules: Iterable[Broken]) -> None:
        super().__init__("broken rules")
        self.rules = list(rules)


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a FIFO in place of a policy must not hang the agent.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(path, descriptor)
        finally:
            os.close(descriptor)
    except PermissionError:
        raise NotPermitted(f"{path}: this user may not read it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PolicyError(f"{path}: cannot be read: {reason}") from None


def _content(path: Path, descriptor: int) -> bytes:
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise PolicyError(f"{path}: not a regular file: allowed is a YAML file")
    require_owned(path, info)
    return os.read(descriptor, MAX_BYTES + 1)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise Refused(Broken(1, "file", "a size above 64 KiB", "at most 64 KiB"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        raise Refused(Broken(line, "file", found, "text in UTF-8")) from None


def _policy(document: Document, path: Path) -> Policy:
    broken = list(document.broken)
    policy = None
    try:
        policy = Policy.model_validate(document.value)
    except ValidationError as error:
        broken += [_broken(item, document) for item in _errors(error)]
    if broken or policy is None:
        raise _BrokenRules(sorted(set(broken)))
    return policy.read_from(Origin(path, document.line, document.lines))


def _errors(error: ValidationError) -> list[dict[str, Any]]:
    """Pydantic's errors but for lists called too short only because their items are wrong."""
    errors: list[dict[str, Any]] = [{**item} for item in error.errors(include_url=False)]
    above = {item["loc"][:-1] for item in errors}
    return [item for item in errors if item["type"] != "too_short" or item["loc"] not in above]


def _broken(item: dict[str, Any], document: Document) -> Broken:
    """One of pydantic's errors in the project's words."""
    if item["type"] == "extra_forbidden":
        return _unknown(item["loc"], document)
    _, info, place = _follow(item["loc"])
    line = _line(document, place)
    if item["loc"] and item["loc"][-1] == "[key]":
        return Broken(line, dotted(place), f"key {short(place[-1])}", "a knob's name")
    allowed = info.description if info else _DOCUMENT
    if item["type"] == "rule":
        allowed = item["ctx"]["allowed"]
    return Broken(line, dotted(place), _found(item, document, place), str(allowed))


def _follow(loc: Place) -> tuple[type[BaseModel], FieldInfo | None, Place]:
    """The innermost model and field that pydantic's location leads to, in YAML's keys."""
    model: type[BaseModel] = Policy
    info: FieldInfo | None = None
    place: Place = ()
    for part in loc:
        if part == "[key]":
            continue
        found = _field(model, part)
        place = (*place, (found.alias or part) if found else part)
        info = found or info
        model = (_inner(found.annotation) if found else None) or model
    return model, info, place


def _field(model: type[BaseModel], part: str | int) -> FieldInfo | None:
    fields = model.model_fields
    return fields.get(str(part)) or next((f for f in fields.values() if f.alias == part), None)


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, get_args(annotation))), None)


def _unknown(loc: Place, document: Document) -> Broken:
    model, _, outer = _follow(loc[:-1])
    place, key = (*outer, loc[-1]), str(loc[-1])
    reasons: dict[str, str] = getattr(model, "unlike_progress", {})
    why = f" ({reasons[key]})" if key in reasons else ""
    known = ", ".join(keys(model)) + why
    return Broken(_line(document, place), dotted(place), f"key {short(key)}", known)


def _found(item: dict[str, Any], document: Document, place: Place) -> str:
    if item["type"] == "missing":
        return "no value"
    if place not in document.lines:
        return f"the default {short(item['input'])}"
    return f"value {short(document.texts.get(place, item['input']))}"


def _line(document: Document, place: Place) -> int:
    """The line of a place, or of what encloses it where it was left out."""
    inward = (place[:length] for length in range(len(place), -1, -1))
    return next(document.lines[part] for part in inward if part in document.lines)


def _error(path: Path, broken: Sequence[Broken]) -> PolicyError:
    lines = [f"{path}:{rule}" for rule in broken[:MAX_RULES]]
    if len(broken) > MAX_RULES:
        lines.append(f"{path}: {len(broken) - MAX_RULES} more broken rules")
    return PolicyError("\n".join(lines))
