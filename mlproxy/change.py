"""A change: a knob that should hold another value than it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlproxy.knob import Value
from mlproxy.proxy import Proxy
from mlproxy.seat import Seat
from mlproxy.shell import shell_line

if TYPE_CHECKING:
    from mlproxy.actuator import Actuator


@dataclass(frozen=True)
class Change:
    """One knob to be given one value, and why: gain, slot, step, look, withdraw, lease over ...

    `before` is what a knob holds that is not among the proxy's own.
    """

    knob: str
    value: Value
    why: str
    before: Value | None = None

    def make(self, actuator: Actuator, seat: Seat) -> None:
        """Write it. Raises: as Actuator.set."""
        knob = seat.adapter.knob(self.knob)
        actuator.set(seat.proxy, seat.adapter, knob, self.value, seat.clamp(knob))

    def lines(self, proxy: Proxy, before: Value) -> tuple[str, str]:
        """The shell lines that do and undo it."""
        path = proxy.knobs[self.knob]
        return shell_line(path, self.value), shell_line(path, before)
