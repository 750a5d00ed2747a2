"""Is every attribute documented and every documented one there, and do they take anything?

Run inside a booted lab kernel.  Afterwards every file of a test device's proxies is read and
written at random for a while, as root, with the device under load and coming and going; the
kernel log must stay silent.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

import lab

ABI = "Documentation/ABI/testing/sysfs-class-ml_proxy"
CORE_FILES = {"uevent", "subsystem", "device", "power"}
"""The driver core's own."""
COMPLAINT = re.compile(
    r"WARNING|BUG(?!: KCSAN)|Oops|Call Trace|KASAN|possible recursive|INFO: task"
)
"""Data races are for races.py, on the host."""
WORDS: tuple[str, ...] = (
    *("", "0", "1", "4", "16", "100", "600000", "-1", " 7", "0x10", "8\n8", "\0"),
    *("99999999999999999999", "x" * 4095, "learning", "emergency", "recommendation"),
)


def patterns(document: Path) -> list[str]:
    """The paths that the document describes, as regular expressions."""
    found = re.findall(r"^What:\s+/sys/class/ml_proxy/(\S+)", document.read_text(), re.MULTILINE)
    return [
        re.sub(r"<(\w+)>", r"[^/]+", re.escape(path).replace(r"\<", "<").replace(r"\>", ">"))
        for path in found
    ]


def files_of(proxy: Path) -> set[str]:
    """Its own files, below the name of the proxy."""
    names = set()
    for top, directories, files in os.walk(proxy):
        directories[:] = [d for d in directories if d not in CORE_FILES]
        for name in set(files) - CORE_FILES:
            names.add(f"{proxy.name}/{Path(top).relative_to(proxy) / name}")
    return names


def check_document(document: Path, checks: lab.Checks) -> None:
    files = {name for proxy in lab.CLASS.iterdir() for name in files_of(proxy)}
    described = patterns(document)
    # A feature and a knob need an entry of their own, besides the general one
    own = [p for p in described if not p.startswith("[^/]+")]
    unknown = {
        re.sub(r"\.[^/]+", "", f, count=1)
        for f in files
        if not any(re.fullmatch(p, f) for p in described)
        or (re.search(r"/features/", f) is not None and not any(re.fullmatch(p, f) for p in own))
        or (f.endswith("/baseline") and not any(re.match(p, f) for p in own))
    }
    absent = [p for p in described if not any(re.match(p, f) for f in files)]
    checks.expect(
        "documented and there",
        not unknown and not absent,
        f"{len(described)} entries; not documented: {sorted(unknown)}; not there: {absent}",
    )


def molest(device: lab.Device, rng: random.Random, until: float) -> int:
    """Read and write its proxies' files at random; the number of calls."""
    proxies = [p for p in lab.CLASS.iterdir() if p.name.endswith((device.number, device.name))]
    files = sorted(lab.CLASS / name for proxy in proxies for name in files_of(proxy))
    calls = 0
    while time.monotonic() < until:
        path = rng.choice(files)
        try:
            flags = rng.choice((os.O_RDONLY, os.O_WRONLY))
            fd = os.open(path, flags)
        except OSError:
            continue
        try:
            if flags == os.O_RDONLY:
                os.read(fd, 4096)
            else:
                os.write(fd, rng.choice(WORDS).encode())
        except OSError:
            pass
        finally:
            os.close(fd)
        calls += 1
    return calls


def load(device: lab.Device, stopping: threading.Event) -> None:
    page = bytes(1 << 16)
    fd = os.open(device.file, os.O_RDWR)
    rng = random.Random(2)
    try:
        while not stopping.is_set():
            os.pwrite(fd, page, rng.randrange(512) << 16)
            os.pread(fd, 4096, rng.randrange(8192) << 12)
            if rng.random() < 0.01:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if rng.random() < 0.001:
                scheduler = rng.choice(("none", "mq-deadline", "kyber"))
                Path(f"/sys/block/{device.name}/queue/scheduler").write_text(scheduler)
    except OSError:
        # The device is going
        pass
    finally:
        os.close(fd)


def check_random(seconds: float, checks: lab.Checks) -> None:
    rng = random.Random(1)
    end = time.monotonic() + seconds
    calls = rounds = 0
    snapshot = Path("/sys/kernel/debug/ml_proxy/snapshot")
    while time.monotonic() < end:
        with lab.device(f"random{rounds}", size_mb=64, is_formatted=False) as device:
            stopping = threading.Event()
            loader = threading.Thread(target=load, args=(device, stopping))
            loader.start()
            calls += molest(device, rng, min(end, time.monotonic() + 5))
            snapshot.read_text()
            if rounds % 2:
                # Gone under load
                (lab.CONFIGFS / device.name / "power").write_text("0")
            stopping.set()
            loader.join()
        rounds += 1
    log = os.popen("dmesg").read()
    complaints = [line for line in log.splitlines() if COMPLAINT.search(line)]
    checks.expect(
        "read and written at random",
        not complaints,
        f"{calls} calls on {rounds} devices; the log: {complaints[:3]}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("linux", type=Path, help="the source tree")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    checks = lab.Checks()
    check_document(options.linux / ABI, checks)
    check_random(options.seconds, checks)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
