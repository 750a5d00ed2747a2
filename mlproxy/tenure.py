"""Where a controller's hands end: what differs when the kernel itself holds the knob.

These are the answers for a knob that is written directly; leased.py has the others.
"""

from __future__ import annotations

from mlproxy.decide import Answer
from mlproxy.errors import Postponed
from mlproxy.knob import Value
from mlproxy.recommendation import Recommendation
from mlproxy.verdict import History, Verdict


class Tenure:
    """Base of all controllers."""

    setting: dict[str, Value]

    @property
    def contested(self) -> str:
        """What somebody else did besides the knobs' own files; "" when nothing."""
        return ""

    def left(self, knob: str) -> Value | None:
        """What the knob's own file should hold."""
        return self.setting.get(knob)

    def attempt(
        self, answer: Answer, verdict: Verdict, history: History, now_ns: int
    ) -> tuple[Recommendation, Verdict] | None:
        """What to try though it is not sure; None where nobody but us would judge it."""
        return None

    def postponed(self, error: Postponed, now_ns: int) -> None:
        """A change could not be made just now; one that is written directly always can."""
        raise error
