"""When a backlog calls for a limit, and when it no longer does.

Below the middle between its background and its dirty threshold the host holds no writer back
(dirty_freerun_ceiling, mm/page-writeback.c). What fits there is taken at memory's speed, and only
a limit could slow it down: nothing in here asks for one then. Above it a writer gets what
the device writes, twice that at first; that is where a stream ends up, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlproxy.adapter import Missing
from mlproxy.snapshot import Window
from mlproxy_writeback.backlog import MIN_DIRTIED_KB_S, PAGE_KB, Backlog, backlog_of
from mlproxy_writeback.features import WHOLE, new_share

THRESHOLDS = (
    ("bdi.host_background_kb", "bdi.host_thresh_kb", 1),
    ("vm.nr_dirty_background_threshold", "vm.nr_dirty_threshold", PAGE_KB),
)
"""Names of the host's two thresholds, and their unit in KiB."""

NEAR = 0.95
"""Of the point from which on writers are held back: they stop a little short of it."""

LUMP_S = 4.5
"""Written pages are counted as such at the end of a request of the file system's: what
stands at that point for good is below it for so long at times."""

GAINS = 2.2
"""Who gets more accepted than so many times what is written still gains from the memory."""

WANTS = 0.5
"""Who wants less than this part of what is written lets the backlog drain by itself."""

LATELY = 0.25
"""The same of the later half of the time, so that a burst that is over does not count on."""

NEW = 0.5
"""Of the pages dirtied in a window so many must be new to the page cache, and in so many of the
windows: others may be overwritten."""

LEFT_S, SLACK = 3.5, 0.5
"""A limit of which less than this part was used for so long: writers run free to 3/4 of it."""

QUIET_S, LEAST_WANTED = 9.5, 0.25
"""Writers who wanted less than this part of what was written for so long, where they may have half.
On its way down a limit may keep them waiting for nearly as long, when a share of the
threshold that the kernel works out anew all the time falls below it."""


def demand_s(windows: Sequence[Window]) -> float:
    """How long until now a stream has stood at the host's threshold.

    Not window by window: a file system on a slow device lets a writer wait for some seconds,
    which do not count, and counts what was written in lumps of as many, after which memory is
    filled again at once.
    """
    parts = [_part(window) for window in _held(windows)]
    stood = next((parts[start:] for start in range(len(parts)) if _is_stream(parts[start:])), ())
    busy = (part for part in stood if part.dirtied >= MIN_DIRTIED_KB_S * part.elapsed_s)
    return sum(part.elapsed_s for part in busy)


def left(windows: Sequence[Window], max_ratio_fine: float) -> str:
    """Why nobody needs the limit any more; "" while somebody does."""
    slack = _trailing(windows, lambda window: _is_slack(window, max_ratio_fine))
    if sum(window.elapsed_s for window in slack) >= LEFT_S:
        return f"writers did not come near the limit for {LEFT_S:g} s: there is no stream any more"
    if _is_quiet(windows):
        return f"hardly anything was dirtied for {QUIET_S:g} s: there is no stream any more"
    return ""


def _is_quiet(windows: Sequence[Window]) -> bool:
    latest: list[Part] = []
    for window in reversed(windows):
        latest.append(_part(window))
        if sum(part.elapsed_s for part in latest) >= QUIET_S:
            dirtied, written = (sum(getattr(p, n) for p in latest) for n in ("dirtied", "written"))
            return bool(dirtied < LEAST_WANTED * written)
    return False


def _trailing(windows: Sequence[Window], says: Callable[[Window], bool]) -> Sequence[Window]:
    start = len(windows)
    while start and says(windows[start - 1]):
        start -= 1
    return windows[start:]


def _held(windows: Sequence[Window]) -> Sequence[Window]:
    """Those up to now in which the host held writers back again and again, from when it did."""
    start = end = len(windows)
    apart_s = 0.0
    while end and apart_s <= LUMP_S:
        end -= 1
        if _holds_back(windows[end].before.values):
            start, apart_s = end, 0.0
        else:
            apart_s += windows[end].elapsed_s
    return windows[start:]


def _holds_back(values: Mapping[str, float]) -> bool:
    pages = [values.get(name) for name in ("vm.nr_dirty", "vm.nr_writeback")]
    known = [each for each in pages if each is not None]
    free_kb = freerun_kb(values)
    if free_kb is None or len(known) < len(pages):
        return False
    return sum(known) * PAGE_KB >= NEAR * free_kb


def freerun_kb(values: Mapping[str, float]) -> float | None:
    """How much the whole host may have dirty before it holds a writer back."""
    for background, threshold, kb in THRESHOLDS:
        if background in values and threshold in values:
            return (values[background] + values[threshold]) / 2 * kb
    return None


@dataclass(frozen=True)
class Part:
    """KiB of one window; `new` of what was dirtied was in pages new to the page cache, all of it
    or nothing: on a host where others drop pages one window's share says no more."""

    elapsed_s: float
    dirtied: float
    written: float
    new: float


def _part(window: Window) -> Part:
    seen = _seen(window)
    if seen is None:
        return Part(window.elapsed_s, 0.0, 0.0, 0.0)
    share = new_share(window, seen.dirtied)
    new = seen.dirtied if share is not None and share >= NEW else 0.0
    return Part(window.elapsed_s, seen.dirtied, seen.written, new)


def _is_stream(parts: Sequence[Part]) -> bool:
    written, dirtied, new = (
        sum(getattr(part, name) for part in parts) for name in ("written", "dirtied", "new")
    )
    later = parts[len(parts) // 2 :]
    goes_on = sum(p.dirtied for p in later) > LATELY * sum(p.written for p in later)
    return WANTS * written < dirtied <= GAINS * written and goes_on and new >= NEW * dirtied


def _is_slack(window: Window, max_ratio_fine: float) -> bool:
    seen = _seen(window)
    if seen is None:
        return False
    limit_kb = seen.threshold * max_ratio_fine / WHOLE
    return seen.now < SLACK * limit_kb


def _seen(window: Window) -> Backlog | None:
    try:
        return backlog_of(window)
    except Missing:
        return None
