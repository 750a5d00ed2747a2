"""The contract of a transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlproxy.adapter import Adapter, ObjectFiles
from mlproxy.knob import Knob, Value
from mlproxy.proxy import Proxy
from mlproxy.snapshot import Sample


class Transport(Protocol):
    """Finds proxies, samples them, and names the file behind each knob.

    A transport only reads. Writes go through the actuator, the one door to the kernel.
    """

    name: str

    def discover(self, adapter: Adapter) -> list[Proxy]:
        """Every proxy of the adapter that this machine has, sorted by device."""

    def sample(self, proxies: Sequence[Proxy]) -> Mapping[str, Sample]:
        """One tick: a sample per proxy id; shared files are read once. A proxy whose
        object is gone is left out."""

    def value(self, proxy: Proxy, knob: Knob) -> Value | None:
        """What the knob's file holds now; None when it is gone."""

    def kernel_range(self, proxy: Proxy, knob: Knob) -> tuple[int | None, int | None]:
        """What the kernel itself allows, where it says so (None: it does not)."""

    def kernel_choices(self, proxy: Proxy, knob: Knob) -> tuple[str, ...]:
        """The words that the kernel offers for a knob with choices, e.g. schedulers."""

    def files(self, proxy: Proxy) -> ObjectFiles:
        """Read-only view of the object's files."""
