"""Exit codes, read off the tree of exceptions so that help and documents cannot drift."""

from __future__ import annotations

from collections.abc import Iterator

from mlproxy.errors import MlproxyError

SUCCESS, INTERNAL, INTERRUPTED = 0, 70, 130


def exit_codes() -> dict[int, str]:
    """Meaning of each exit code, in rising order."""
    found = {SUCCESS: "done; also when there was nothing to do"}
    for kind in _kinds(MlproxyError):
        found.setdefault(kind.exit_code, _meaning(kind))
    found[MlproxyError.exit_code] = "something else went wrong"
    found[INTERNAL] = "an internal error, please report it"
    found[INTERRUPTED] = "interrupted (Ctrl-C); what was changed has been restored"
    return dict(sorted(found.items()))


def epilog() -> str:
    """Exit codes in one paragraph for the end of `mlproxy --help`."""
    codes = (f"{code} {meaning}" for code, meaning in exit_codes().items())
    return "Exit codes: " + "; ".join(codes) + "."


def _kinds(kind: type[MlproxyError]) -> Iterator[type[MlproxyError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def _meaning(kind: type[MlproxyError]) -> str:
    first = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
    sentence = first.partition(";")[0]
    return sentence[:1].lower() + sentence[1:]
