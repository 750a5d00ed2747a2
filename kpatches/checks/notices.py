"""Is user space told of modes and leases, and does the snapshot say what the files say?

Run inside a booted lab kernel.  Polls mode and lease_remaining_ms, listens to uevents,
compares the debugfs snapshot with the class files, and prints what both cost.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import lab

NETLINK_KOBJECT_UEVENT = 15
SNAPSHOT = Path("/sys/kernel/debug/ml_proxy/snapshot")
MOVING = ("lease_remaining_ms", "features/", "trial/")
ROUNDS = 20


class Listener:
    """Uevents of the kernel."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
        self.socket.bind((0, 1))

    def seen(self, name: str, within_s: float) -> list[dict[str, str]]:
        """Change events of the device called name."""
        events = []
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            head, *fields = self.socket.recv(65536).decode(errors="replace").split("\0")
            if head.startswith("change@") and head.endswith("/" + name):
                events.append(dict(f.split("=", 1) for f in fields if "=" in f))
        return events


class Polled:
    """An attribute that can be polled."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLPRI | select.POLLERR)
        os.pread(self.fd, 64, 0)

    def is_told(self, within_s: float) -> bool:
        found = bool(self.poll.poll(within_s * 1000))
        os.pread(self.fd, 64, 0)
        return found


def check_notices(proxy: lab.Proxy, checks: lab.Checks) -> None:
    listener = Listener()
    mode, lease = Polled(proxy.path / "mode"), Polled(proxy.path / "lease_remaining_ms")
    proxy.put("lease_ms", 300)
    proxy.put("mode_limit", "learning")
    told = [mode.is_told(1), lease.is_told(0.1)]
    events = [listener.seen(proxy.path.name, 0.2)]
    proxy.recommend(16)
    told += [mode.is_told(0.1), lease.is_told(1)]
    events.append(listener.seen(proxy.path.name, 0.1))
    # It lapses here
    told += [mode.is_told(0.1), lease.is_told(1)]
    events.append(listener.seen(proxy.path.name, 0.2))
    proxy.put("mode_limit", "emergency")
    told += [mode.is_told(1), lease.is_told(0.1)]
    events.append(listener.seen(proxy.path.name, 0.2))
    checks.expect(
        "poll tells of mode and lease",
        told == [True, False, False, True, False, True, True, False],
        f"{told}",
    )
    wanted = [("learning", "0"), ("learning", "1"), ("learning", "0"), ("emergency", "0")]
    found = [
        (step[-1].get("ML_PROXY_MODE", ""), step[-1].get("ML_PROXY_LEASED", ""))
        for step in events
        if step
    ]
    checks.expect("a uevent for each", found == wanted, f"{found}")


def snapshot() -> dict[str, str]:
    lines = (line.split(" ", 2) for line in SNAPSHOT.read_text().splitlines())
    return {f"{device}/{name}": value for device, name, value in lines}


def files() -> dict[str, str]:
    found = {}
    for proxy in lab.CLASS.iterdir():
        for pattern in ("*", "features/*", "trial/*", "*/*"):
            for path in proxy.glob(pattern):
                if path.is_file() and path.name not in ("uevent", "commit"):
                    if path.parent.name in ("power", "subsystem", "device"):
                        continue
                    found[f"{proxy.name}/{path.relative_to(proxy)}"] = path.read_text().strip()
    return found


def check_snapshot(checks: lab.Checks) -> None:
    here, there = snapshot(), files()
    still = {name for name in there if not any(part in name for part in MOVING)}
    differing = sorted(name for name in still if here.get(name, "?").strip() != there[name])
    checks.expect(
        "the snapshot says what the files say",
        here.keys() == there.keys() and not differing,
        f"{len(here)} values; only in one: {sorted(here.keys() ^ there.keys())[:3]}, "
        f"differing: {differing[:3]}",
    )


def cost_ms(proxies: int) -> tuple[float, float]:
    """Milliseconds for one snapshot, and for all its values from open files."""
    fd = os.open(SNAPSHOT, os.O_RDONLY)
    start = time.process_time()
    for _ in range(ROUNDS):
        os.lseek(fd, 0, os.SEEK_SET)
        while os.read(fd, 1 << 20):
            pass
    fast = (time.process_time() - start) / ROUNDS
    os.close(fd)
    names = list(snapshot())[: proxies * 40]
    most = len(names) + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    fds = [os.open(lab.CLASS / name, os.O_RDONLY) for name in names]
    start = time.process_time()
    for _ in range(ROUNDS):
        for each in fds:
            os.pread(each, 4096, 0)
    slow = (time.process_time() - start) / ROUNDS
    for each in fds:
        os.close(each)
    return 1000 * fast, 1000 * slow


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disks", type=int, default=50)
    options = parser.parse_args()
    checks = lab.Checks()
    with lab.device("notices", size_mb=16, is_formatted=False) as device:
        proxy = lab.Proxy(device)
        check_notices(proxy, checks)
        proxy.close()
        check_snapshot(checks)
    with ExitStack() as stack:
        for disks in (0, options.disks):
            for number in range(disks):
                stack.enter_context(lab.device(f"notices{number}", size_mb=1, is_formatted=False))
            proxies = len(list(lab.CLASS.iterdir()))
            fast, slow = cost_ms(proxies)
            print(
                f"{proxies} proxies, {len(snapshot())} values: "
                f"snapshot {fast:.2f} ms, open files {slow:.2f} ms of CPU"
            )
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
