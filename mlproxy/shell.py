"""The exact shell lines that do and undo a change (promise 9)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from mlproxy.adapter import Adapter, ObjectFiles
from mlproxy.knob import Knob, Setting, Value
from mlproxy.proxy import Proxy


def shell_line(path: str, value: Value) -> str:
    """One write; `path` is relative to the root, e.g. "sys/class/bdi/8:0/read_ahead_kb"."""
    return f"echo {shlex.quote(str(value))} > /{shlex.quote(path)}"


def do_lines(
    adapter: Adapter, files: ObjectFiles, proxy: Proxy, knob: Knob, current: Value, value: Value
) -> list[str]:
    """What the actuator would write, in order: a repair first where sysfs is known to lie,
    companions last."""
    writes = adapter.writes(files, knob, current, value)
    lines = [shell_line(proxy.knobs[knob.name], each) for each in writes]
    along = knob.companions.items()
    return lines + [shell_line(proxy.knobs[name], each) for name, each in along]


def undo_lines(adapter: Adapter, proxy: Proxy, knob: Knob, baseline: Setting) -> list[str]:
    """The baseline of the knob and of those that are changed with it, in the adapter's order
    of restoring."""
    names = (knob.name, *knob.disturbs, *knob.companions)
    return list(_baselines(adapter.knobs, names, proxy, baseline))


def _baselines(
    knobs: Iterable[Knob], names: Iterable[str], proxy: Proxy, baseline: Setting
) -> Iterable[str]:
    wanted = set(names) & set(baseline) & set(proxy.knobs)
    for knob in knobs:
        if knob.name in wanted:
            yield shell_line(proxy.knobs[knob.name], baseline[knob.name])
