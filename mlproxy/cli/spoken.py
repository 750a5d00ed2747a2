"""An outcome log that also says what happens, one line each, while the agent runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlproxy.cli.console import note
from mlproxy.outcomes import Outcomes
from mlproxy.units import format_gain

Entry = Mapping[str, Any]


class Spoken(Outcomes):
    """Writes as Outcomes does, and says a line for each record while somebody can hear it."""

    def __init__(self, state: Path, say: Callable[[str], None]) -> None:
        super().__init__(state)
        self._say = say

    def write(self, kind: str, **fields: Any) -> None:
        """As Outcomes.write."""
        super().write(kind, **fields)
        sentence = SENTENCES.get(kind)
        if sentence is not None:
            self._speak(f"{time.strftime('%H:%M:%S')} {kind:10} {sentence(fields)}")

    def _speak(self, text: str) -> None:
        """Whoever listened may be gone and the disk full; the agent goes on."""
        try:
            self._say(text)
        except (OSError, SystemExit) as error:  # rich ends the program at a broken pipe
            self._say = _unheard  # rich would keep every line that it could not print
            why = error.strerror if isinstance(error, OSError) else "nobody reads it"
            note(f"nothing more can be said on stdout ({why}); the agent goes on")


def _unheard(text: str) -> None:
    """Where nobody listens any more."""


def _decision(entry: Entry) -> str:
    what = f"{entry['device']} {entry['knob']} {entry['current']} to {entry['proposed']}"
    return f"{what}: {entry['action']} ({entry['rule']}), {entry['reason']} [{entry['id']}]"


def _change(entry: Entry) -> str:
    what = f"{entry['device']} {entry['knob']} {entry['before']} to {entry['after']}"
    name = f" [{entry['recommendation']}]" if entry["recommendation"] else ""
    return f"{what}: {entry['why']}{name}"


def _trial(entry: Entry) -> str:
    gain = "" if entry["gain"] is None else f" at {format_gain(entry['gain'])}"
    score = f"{entry['wins']} won, {entry['losses']} lost"
    what = f"{entry['proxy']} {entry['knob']} {entry['proposed']}"
    return f"{what}: {entry['event']}{gain}, {score} [{entry['recommendation']}]"


def _revert(entry: Entry) -> str:
    return f"{entry['proxy']} {entry['knob']}: {entry['outcome']} to {entry['baseline']}"


def _stand_down(entry: Entry) -> str:
    return f"{entry['proxy']}: {entry['reason']}"


SENTENCES: dict[str, Callable[[Entry], str]] = {
    "decision": _decision,
    "change": _change,
    "trial": _trial,
    "revert": _revert,
    "stand-down": _stand_down,
}
