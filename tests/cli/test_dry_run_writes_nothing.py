"""Promise 1: a dry run never opens a kernel file for writing (asked of strace)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = "openat,openat2,open,creat,truncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
KERNEL = re.compile(r'"/(sys|proc|dev/(?!null|tty|pts|shm|urandom))[^"]*"')
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
CHANGING = re.compile(r"\b(creat|truncate|rename\w*|unlink\w*|mkdir\w*)\(")


def writes(line: str) -> bool:
    """True for a system call that opens a kernel file for writing, or changes one."""
    return bool(KERNEL.search(line)) and bool(WRITING.search(line) or CHANGING.search(line))


def test_the_rule_sees_what_it_should() -> None:
    bdi = "/sys/class/bdi/8:0/read_ahead_kb"
    assert writes(f'openat(AT_FDCWD, "{bdi}", O_WRONLY|O_TRUNC|O_CLOEXEC) = 3')
    assert writes('creat("/proc/sys/vm/dirty_bytes", 0644) = 3')
    assert writes('open("/sys/kernel/debug/x", O_RDWR) = -1 EACCES')
    assert not writes(f'openat(AT_FDCWD, "{bdi}", O_RDONLY|O_CLOEXEC) = 3')
    assert not writes('openat(AT_FDCWD, "/dev/null", O_WRONLY) = 3')
    assert not writes('openat(AT_FDCWD, "/tmp/x", O_WRONLY|O_CREAT, 0600) = 3')


def _require_strace() -> str:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"ptrace is refused here: {tried.stderr.decode().strip()}")
    return strace


def test_dry_run_on_this_machine(tmp_path: Path) -> None:
    strace, log = _require_strace(), tmp_path / "calls"
    program = "import sys; from mlproxy.cli import main; sys.exit(main())"
    command = [strace, "-f", "-qq", "-s", "256", "-o", str(log), "-e", f"trace={CALLS}"]
    command += [sys.executable, "-B", "-c", program, "apply", "--dry-run", "--json"]
    environment = {**os.environ, "MLPROXY_STATE": str(tmp_path / "state")}
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    calls = log.read_text(errors="replace").splitlines()
    assert any('"/proc/diskstats"' in line or '"/sys/block"' in line for line in calls)
    assert [line for line in calls if writes(line)] == []
    assert not (tmp_path / "state").exists()
