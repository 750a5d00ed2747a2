"""The progress source that an operator names: what tells how fast the application gets on."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mlproxy.policy_fields import Part, allowed, keys, rule

_WRONG_ARM = "it chooses the wrong arm every time for random mmap reads (measured)"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*"'
_METRIC = rf"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{{{_LABEL}(, ?{_LABEL})*\}})?$"


def _url(text: object) -> str:
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        raise ValueError("not a URL")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a URL of a Prometheus endpoint")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a policy holds no passwords")
    return text


def _cgroup(text: object) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"(/[^/\x00]+)+", text):
        raise ValueError("not a cgroup path")
    if ".." in text.split("/") or text.startswith("/sys/"):
        raise ValueError("not a path within the cgroup tree")
    return text


class PrometheusSource(Part):
    """One counter of a Prometheus text endpoint."""

    url: Annotated[str, BeforeValidator(_url)] = allowed(
        "an http or https URL without a password, e.g. http://127.0.0.1:9104/metrics"
    )
    metric: str = allowed(
        'a metric name, with labels if needed: app_ops_total or app_ops_total{db="a"}',
        pattern=_METRIC,
    )


class ObjectiveSource(Part):
    """Exactly one source of a number that grows with the application's progress."""

    unlike_progress: ClassVar[dict[str, str]] = {
        "device": f"device throughput is not progress: {_WRONG_ARM}",
        "psi": f"pressure (PSI) is not progress: {_WRONG_ARM}",
    }
    """Keys that people expect here, and why there are none."""

    file: str | None = allowed(
        "the absolute path of a file that holds one growing number",
        None,
        pattern=r"^/[^\x00]*[^/\x00]$",
    )
    command: tuple[Annotated[str, Field(pattern=r"^[^\x00]*$")], ...] | None = allowed(
        "a list of strings, the first an absolute path (no shell): [/usr/bin/app-ops, --total]",
        None,
        min_length=1,
    )
    prometheus: PrometheusSource | None = allowed("a mapping with url and metric", None)
    cgroup: Annotated[str, BeforeValidator(_cgroup)] | None = allowed(
        "a cgroup as /proc/PID/cgroup prints it, e.g. /system.slice/postgresql.service", None
    )
    kernel: Literal[True] | None = allowed("true (the patched kernel's own counters)", None)

    @field_validator("command")
    @classmethod
    def _no_search_path(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not value[0].startswith("/"):
            raise ValueError("the program needs an absolute path")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> ObjectiveSource:
        named = [key for key in keys(type(self)) if getattr(self, key) is not None]
        if len(named) != 1:
            raise rule(f"exactly one of {', '.join(keys(type(self)))}")
        return self
