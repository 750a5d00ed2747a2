"""What two globs (fnmatch: `*`, `?`, `[ab]`, `[!ab]`) have in common."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def share_a_name(first: str, second: str) -> bool:
    """True when some name may match both. Errs to True only for two bracket sets.

    Walks all pairs of positions that one common name can reach, so it takes at most the
    product of both lengths.
    """
    one, two = _TOKEN.findall(first), _TOKEN.findall(second)
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        here, there = todo.pop()
        if here == len(one) and there == len(two):
            return True
        for step in _steps(one[here : here + 1], two[there : there + 1]):
            place = (here + step[0], there + step[1])
            if place not in seen:
                seen.add(place)
                todo.append(place)
    return False


def covers(wide: str, narrow: str) -> bool:
    """True only when every name that matches `narrow` also matches `wide`; may miss some.

    With `*` as the only wildcard of `wide`, matching the narrow glob's own text proves it:
    each literal stands for itself, and all that is wild in `narrow` falls to a star.
    """
    provable = not set(wide) & set("?[") and "[" not in narrow
    return provable and fnmatchcase(narrow, wide)


def _steps(one: list[str], two: list[str]) -> list[tuple[int, int]]:
    """How far both globs can move on with the next character, or with a star's end."""
    steps = []
    if one == ["*"]:
        steps += [(1, 0)] + ([(0, 1)] if two else [])
    if two == ["*"]:
        steps += [(0, 1)] + ([(1, 0)] if one else [])
    if one and two and "*" not in (one[0], two[0]) and _may_equal(one[0], two[0]):
        steps.append((1, 1))
    return steps


def _may_equal(one: str, two: str) -> bool:
    """True when one character can match both tokens, neither of which is a star."""
    if len(one) > 1 and len(two) > 1:
        return True
    if len(one) > 1:
        one, two = two, one
    return one == "?" or two == "?" or fnmatchcase(one, two)
