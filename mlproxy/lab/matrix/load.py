"""Matrices from YAML files: the shipped ones by name, others by path.

Every broken rule is named with file, line, field and what is allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.document import Matrix
from mlproxy.policy_fields import keys
from mlproxy.policy_yaml import Broken, Document, Refused, dotted, read_documents, short

SHIPPED = Path(__file__).parent / "shipped"
MAX_BYTES = 256 * 1024


def shipped_names() -> list[str]:
    """Matrices that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_matrix(name: str) -> Matrix:
    """A shipped matrix by its name, or the file of that path. Raises: ConfigError."""
    path = Path(name)
    if "/" not in name and not path.suffix:
        path = SHIPPED / f"{name}.yaml"
        if not path.exists():
            known = ", ".join(shipped_names())
            raise ConfigError(f"no matrix {name!r}; give a file's path, or one of: {known}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_matrix(data, path)


def parse_matrix(data: bytes, path: Path) -> Matrix:
    """The one matrix in the content of a file. Raises: ConfigError, a line per broken rule."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 10} KiB")
    try:
        documents = read_documents(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text in UTF-8") from None
    except Refused as refused:
        raise ConfigError(f"{path}:{refused.broken}") from None
    if len(documents) != 1:
        raise ConfigError(f"{path}: holds {len(documents)} documents: allowed is one matrix")
    return _matrix(documents[0], path)


def _matrix(document: Document, path: Path) -> Matrix:
    broken = list(document.broken)
    try:
        found = Matrix.model_validate(document.value)
        if not broken:
            return found
    except ValidationError as error:
        broken += [_broken(item["loc"], item, document) for item in error.errors()]
    raise ConfigError("\n".join(f"{path}:{each}" for each in sorted(set(broken))))


def _broken(loc: tuple[int | str, ...], item: Any, document: Document) -> Broken:
    """One of pydantic's errors in the project's words."""
    place: tuple[int | str, ...] = ()
    model: type[BaseModel] | None = Matrix
    said = f"a mapping with {', '.join(keys(Matrix))}"
    for part in loc:
        name, info = _field(model, part)
        if info is None and isinstance(part, str) and (*place, part) not in document.lines:
            continue  # pydantic's own word for a branch of a union
        place = (*place, name)
        if info is not None:
            said, model = info.description or said, _inner(info.annotation)
    if item["type"] == "rule":
        said = item["ctx"]["allowed"]
    line = next(
        document.lines[place[:length]]
        for length in range(len(place), -1, -1)
        if place[:length] in document.lines
    )
    if item["type"] == "extra_forbidden":
        known = ", ".join(keys(_model_at(loc[:-1])))
        return Broken(line, dotted(place), f"key {short(str(loc[-1]))}", known)
    found = "no value" if item["type"] == "missing" else f"value {short(item['input'])}"
    return Broken(line, dotted(place), found, said)


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Matrix
    for part in loc:
        _, info = _field(model, part)
        model = (_inner(info.annotation) if info else None) or model
    return model


def _field(model: type[BaseModel] | None, part: int | str) -> tuple[int | str, Any]:
    """The YAML key of a part of pydantic's location, and its field if it is one."""
    if model is None or not isinstance(part, str):
        return part, None
    for name, info in model.model_fields.items():
        if part in (name, info.alias):
            return info.alias or name, info
    return part, None


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, get_args(annotation))), None)
