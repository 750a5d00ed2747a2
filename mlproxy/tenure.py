"""Where a controller's hands end: what differs when the kernel itself holds the knob.

These are the answers for a knob that is written directly; leased.py has the others.
"""

from __future__ import annotations

from collections.abc import Callable

from mlproxy.attempt import UNSURE, attempt
from mlproxy.decide import Answer
from mlproxy.errors import Postponed
from mlproxy.gate import MAX_OVERRIDES
from mlproxy.knob import Knob, Value
from mlproxy.mode import Mode
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import Ruling
from mlproxy.seat import Seat
from mlproxy.verdict import History, Verdict
from mlproxy.vigil import Vigil


class Tenure:
    """Base of all controllers.

    `overrides` counts how often another tool rewrote a knob in the last day.
    """

    seat: Seat
    setting: dict[str, Value]
    ruling: Ruling | None
    stood_down: str
    overrides: Callable[[str], int]
    vigil: Vigil | None = None
    """Over what rules without slots; None where slots judge."""

    @property
    def early(self) -> str:
        """Why nothing may rule yet; "" when it may, or slots will judge it."""
        patience = self.vigil.patience if self.vigil else None
        return patience.early() if patience else ""

    @property
    def contested(self) -> str:
        """What somebody else did besides the knobs' own files; "" when nothing."""
        return ""

    @property
    def counted(self) -> dict[str, int]:
        """What a patched kernel counts, for people; {} where none does."""
        return {}

    def may_look(self, knob: Knob) -> bool:
        """False where nothing may be written, not even for a look."""
        rules = self.seat.policy
        observes = Mode.EMERGENCY in (rules.mode, rules.start)
        barred = observes or self.seat.lacks or self.stood_down
        return not barred and self.overrides(knob.name) < MAX_OVERRIDES

    def left(self, knob: str) -> Value | None:
        """What the knob's own file should hold."""
        return self.setting.get(knob)

    def attempt(
        self, answer: Answer, verdict: Verdict, history: History, now_ns: int
    ) -> tuple[Recommendation, Verdict] | None:
        """What to try though it is not sure: what guards watch, once the demand has lasted (rule
        early). None where nobody but us would judge it."""
        if self.vigil is None or self.ruling is not None or verdict.rule not in UNSURE:
            return None
        return attempt(answer, self.seat.policy, history, "the demand has lasted, guards watch")

    def postponed(self, error: Postponed, now_ns: int) -> None:
        """A change could not be made just now; one that is written directly always can."""
        raise error
