from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.errors import PolicyError
from mlproxy.policy_file import parse_policies
from mlproxy.policy_objective import ObjectiveSource

HEAD = "apiVersion: mlproxy/v1\nadapter: readahead\nknobs: {read_ahead_kb: {}}\nobjective: "
GOOD_URL = "http://127.0.0.1:9104/metrics"


def objective(text: str) -> ObjectiveSource | None:
    return parse_policies(f"{HEAD}{text}\n".encode(), Path("p.yaml"))[0].objective


@pytest.mark.parametrize(
    "text",
    [
        "{file: /run/app/ops}",
        "{command: [/usr/bin/app-ops, --total, '; rm -rf /']}",
        f"{{prometheus: {{url: '{GOOD_URL}', metric: app_ops_total}}}}",
        f"{{prometheus: {{url: '{GOOD_URL}', metric: 'ops{{db=\"a\", kind=\"read\"}}'}}}}",
        "{prometheus: {url: 'https://db.example.org/metrics', metric: 'app:ops'}}",
        "{cgroup: /system.slice/postgresql.service}",
        "{kernel: true}",
    ],
)
def test_exactly_one_source_is_taken(text: str) -> None:
    source = objective(text)
    assert source is not None
    assert len(source.model_dump(exclude_none=True)) == 1


@pytest.mark.parametrize(
    ("text", "field", "found", "allowed"),
    [
        ("{}", "objective", "value {}", "exactly one of file, command, prometheus"),
        ("{file: /a, kernel: true}", "objective", "value {'file'", "exactly one of file"),
        ("/run/ops", "objective", "value '/run/ops'", "a mapping with exactly one of"),
        ("{file: ops}", "objective.file", "value 'ops'", "the absolute path of a file"),
        ("{file: /run/}", "objective.file", "value '/run/'", "the absolute path of a file"),
        ("{file: 7}", "objective.file", "value '7'", "the absolute path of a file"),
        ("{command: /bin/ops}", "objective.command", "value '/bin/ops'", "a list of strings"),
        ("{command: []}", "objective.command", "value []", "a list of strings"),
        ("{command: [ops]}", "objective.command", "value ['ops']", "an absolute path (no shell)"),
        ("{command: [/b, 7]}", "objective.command[1]", "value '7'", "a list of strings"),
        ('{command: [/b, "\\0"]}', "objective.command[1]", "value '\\x00'", "a list of strings"),
        ("{cgroup: a.slice}", "objective.cgroup", "value 'a.slice'", "a cgroup as /proc/PID"),
        ("{cgroup: /a/../b}", "objective.cgroup", "value '/a/../b'", "a cgroup as /proc/PID"),
        ("{cgroup: /sys/fs/cgroup/a}", "objective.cgroup", "value '/sys", "a cgroup as /proc/PID"),
        ("{kernel: false}", "objective.kernel", "value 'false'", "true (the patched kernel's"),
        ("{prometheus: x}", "objective.prometheus", "value 'x'", "a mapping with url and metric"),
    ],
)
def test_a_wrong_source_is_refused(text: str, field: str, found: str, allowed: str) -> None:
    with pytest.raises(PolicyError) as caught:
        objective(text)
    message = str(caught.value)
    assert message.startswith(f"p.yaml:4: {field}: {found}")
    assert f"is not allowed: allowed is {allowed}" in message or allowed in message


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/m",
        "h/m",
        "http://",
        "http://[x",
        "http://h:99999/",
        "http://h:0/",
        "http://u:p@h/m",
        "http://u@h/m",
        "http://h/a b",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(PolicyError, match=r"objective\.prometheus\.url: .* an http or https URL"):
        objective(f"{{prometheus: {{url: '{url}', metric: a}}}}")


@pytest.mark.parametrize("metric", ["", "7a", "rate(a[1m])", "a{b}", "a{b='c'}", "a b"])
def test_a_wrong_metric_is_refused(metric: str) -> None:
    quoted = metric.replace("'", "''")
    with pytest.raises(PolicyError, match=r"objective\.prometheus\.metric: .* a metric name"):
        objective(f"{{prometheus: {{url: '{GOOD_URL}', metric: '{quoted}'}}}}")


@pytest.mark.parametrize(
    ("key", "why"), [("device", "device throughput is not"), ("psi", "pressure (PSI) is not")]
)
def test_what_only_looks_like_progress_is_refused_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(PolicyError) as caught:
        objective(f"{{{key}: sda}}")
    message = str(caught.value)
    assert f"p.yaml:4: objective.{key}: key '{key}' is not allowed: allowed is file" in message
    assert why in message
    assert "wrong arm every time for random mmap" in message
