"""A model's manifest: what the file beside it is, and what it may be used for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from mlproxy.adapter import Adapter
from mlproxy.columns import Array64, column_names
from mlproxy.errors import ModelError
from mlproxy.knob import Value

FORMAT = "mlproxy-model/v1"
MANIFEST = "manifest.json"
MODEL = "model.ubj"
DOMAIN = "domain.json"


class Manifest(BaseModel):
    """Contents of `manifest.json`; every key is required unless it has a default.

    `stretch` maps a confidence ("0.9") to how many predicted spreads the lower bound lies
    below the median; `candidates` are the values of each knob that it was trained on, `ranges`
    the least and the largest value of each feature; `families` has metrics by family of workloads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    adapter: str
    adapter_version: str
    fingerprint: str
    columns: tuple[str, ...]
    units: Mapping[str, str]
    quantiles: tuple[float, float]
    stretch: Mapping[str, float]
    rounds: int
    seed: int
    rows: int
    groups: tuple[str, ...]
    candidates: Mapping[str, tuple[Value, ...]]
    ranges: Mapping[str, tuple[float, float]] = {}
    families: Mapping[str, Mapping[str, float]] = {}
    data_sha256: str
    metrics: Mapping[str, float]
    sha256: Mapping[str, str]
    xgboost: str


def load_manifest(folder: Path, adapter: Adapter) -> Manifest:
    """The manifest of `folder`, checked against its files and the adapter.

    Raises:
        ModelError: a file is missing or altered, or the model is of another adapter.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"no model in {folder}: {error.strerror}: {MANIFEST}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelError(f"{path}: {where}: {first['msg']}") from error
    for name, digest in manifest.sha256.items():
        _check_digest(folder / Path(name).name, digest)
    _check_fit(path, manifest, adapter)
    return manifest


def digest_of(path: Path) -> str:
    """sha256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ranges_of(adapter: Adapter, windows: Array64) -> dict[str, tuple[float, float]]:
    """Least and largest of each feature in `windows` (n, features), to six digits; a feature
    that was always missing has none."""
    found = {}
    for name, column in zip(adapter.schema.names(), windows.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            found[name] = (float(f"{known.min():.6g}"), float(f"{known.max():.6g}"))
    return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, sorted, so that equal models have equal files."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n")


def _check_digest(path: Path, digest: str) -> None:
    try:
        found = digest_of(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; the manifest names it") from error
    if found != digest:
        raise ModelError(f"{path}: sha256 {found[:12]}..., the manifest says {digest[:12]}...")


def _check_fit(path: Path, manifest: Manifest, adapter: Adapter) -> None:
    wanted = {
        "format": FORMAT,
        "adapter": adapter.name,
        "fingerprint": adapter.schema.fingerprint(),
        "columns": tuple(column_names(adapter.schema.names(), adapter.asked)),
    }
    for field, value in wanted.items():
        found = getattr(manifest, field)
        if found != value:
            raise ModelError(f"{path}: {field} is {found!r}, the adapter needs {value!r}")
    if set(manifest.sha256) != {MODEL, DOMAIN}:
        raise ModelError(f"{path}: sha256 must name {MODEL} and {DOMAIN}")
