"""Progress asked for in a thread: commands and Prometheus endpoints that misbehave."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlproxy import progress_polled
from mlproxy.progress_polled import (
    PolledProgress,
    command_progress,
    find_metric,
    prometheus_progress,
    run_command,
)

METRICS = """\
# HELP app_ops_total operations
# TYPE app_ops_total counter
app_ops_total{db="a",op="get"} 5
app_ops_total{db="a",op="put"} 7
app_ops_total{db="b",op="get"} 100
app_ops_total_created 9
app_ops 3
app_bad NaN
this line is { broken
"""


def eventually(check: Callable[[], object]) -> bool:
    """True once `check` holds; gives up after many seconds, so no time is asserted."""
    deadline = time.monotonic() + 20
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ('app_ops_total{db="a"}', 12.0),
        ('app_ops_total{op="get",db="b"}', 100.0),
        ("app_ops_total", 112.0),
        ("app_ops", 3.0),
    ],
)
def test_a_metric_is_found_by_name_and_labels(metric: str, expected: float) -> None:
    assert find_metric(METRICS, metric) == expected


@pytest.mark.parametrize("metric", ["app", 'app_ops_total{db="c"}', "app_bad", "app_missing"])
def test_a_metric_that_is_not_there_is_an_error(metric: str) -> None:
    with pytest.raises(ValueError, match=r"no metric|no progress"):
        find_metric(METRICS, metric)


def test_a_command_prints_a_number() -> None:
    assert run_command(["/bin/echo", "42.5"]) == 42.5


def test_there_is_no_shell() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        run_command(["/bin/echo", "1;", "echo", "$((2+2))"])


@pytest.mark.parametrize(
    "argv",
    [
        ["/bin/sh", "-c", "echo 1; exit 3"],
        ["/bin/echo", "ops"],
        ["/bin/echo", "nan"],
        ["/bin/true"],
        ["/nonexistent/command"],
    ],
)
def test_a_command_that_fails_is_an_error(argv: list[str]) -> None:
    with pytest.raises((ValueError, OSError)):
        run_command(argv)


def test_a_command_over_time_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(ValueError, match="status -9"):
        run_command(["/bin/sh", "-c", script], timeout_s=0.3)
    child = int((tmp_path / "child").read_text())
    assert eventually(lambda: is_gone(child))


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_that_never_stops_printing_ends() -> None:
    with pytest.raises((ValueError, OSError)):
        run_command(["/usr/bin/yes"], timeout_s=5)


def test_reading_never_waits_for_the_source() -> None:
    asked, release = threading.Event(), threading.Event()

    def ask() -> float:
        asked.set()
        release.wait(30)
        return 7.0

    source = PolledProgress("slow", ask, interval_s=0.01)
    assert asked.wait(30)
    assert source.read() is None
    release.set()
    assert eventually(lambda: source.read() == 7.0)
    source.close()


def test_a_reading_grows_too_old() -> None:
    answers = iter([7.0])
    source = PolledProgress("once", lambda: next(answers), interval_s=0.2)
    assert eventually(lambda: source.read() == 7.0)
    assert eventually(lambda: source.read() is None)
    source.close()


def test_a_source_that_fails_says_so_and_is_asked_again() -> None:
    answers: list[float] = []
    source = PolledProgress("flaky", lambda: answers[0], interval_s=0.01)
    assert eventually(lambda: "flaky: list index" in source.problem)
    answers.append(3.0)
    assert eventually(lambda: source.read() == 3.0 and not source.problem)
    source.close()


def test_closing_ends_the_thread() -> None:
    source = PolledProgress("closed", lambda: 1.0, interval_s=600)
    source.close()
    assert eventually(lambda: not any(each.name == "closed" for each in threading.enumerate()))


def test_a_command_as_a_source() -> None:
    source = command_progress(["/bin/echo", "5"])
    assert eventually(lambda: source.read() == 5.0)
    assert source.name == "command /bin/echo"
    source.close()


class Endpoint(BaseHTTPRequestHandler):
    """Answers with the metrics, or with an error."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 500)
        self.end_headers()
        self.wfile.write(METRICS.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_endpoint_as_a_source(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    source = prometheus_progress(f"{url}/metrics", 'app_ops_total{db="a"}')
    assert eventually(lambda: source.read() == 12.0)
    source.close()


def test_an_endpoint_in_trouble_gives_none(url: str) -> None:
    source = prometheus_progress(f"{url}/broken", "app_ops")
    assert eventually(lambda: "500" in source.problem)
    assert source.read() is None
    source.close()


def test_a_killed_command_is_not_killed_twice() -> None:
    process = subprocess.Popen(["/bin/true"], start_new_session=True)
    process.wait()
    progress_polled._kill(process)
    assert process.returncode == 0
