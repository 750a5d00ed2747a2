"""A survey: one decision for every seat after a short observation, nothing written.

It is what `apply` and `apply --dry-run` do; `run` does the same again and again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlproxy.decide import Answer, Question, recommend
from mlproxy.evidence import Evidence
from mlproxy.mode import Mode
from mlproxy.pressure import Pressure, pressure_of
from mlproxy.recommendation import Recommendation
from mlproxy.seat import Seat
from mlproxy.snapshot import Sample, Window
from mlproxy.step import judge_answer
from mlproxy.transports.base import Transport
from mlproxy.tree import Tree
from mlproxy.trust import TrustStore, identity_key
from mlproxy.verdict import History, Verdict
from mlproxy.view import View
from mlproxy.watch import see

WINDOW_S = 5.0
PARTS = 5
"""The window is looked at in parts as long as those that models are trained on."""


@dataclass(frozen=True)
class Finding:
    """What a survey found for one seat: an answer with its verdict, or why there is none."""

    seat: Seat
    answer: Answer | None
    verdict: Verdict | None
    reason: str

    @property
    def recommendation(self) -> Recommendation | None:
        """The recommendation, if there is one."""
        return self.answer.recommendation if self.answer else None


class Survey:
    """Observes seats for a while, then asks their models and the gate.

    Args:
        trust: what earlier runs found of these proxies; None: nothing is known.
    """

    def __init__(
        self,
        tree: Tree,
        transport: Transport,
        seats: Sequence[Seat],
        trust: TrustStore | None = None,
    ) -> None:
        self._tree = tree
        self._transport = transport
        self._seats = seats
        self._trust = trust
        self._evidence = {seat.proxy.id: Evidence() for seat in seats}
        self._reasons = {seat.proxy.id: "no I/O was seen" for seat in seats}
        self._pressure: dict[str, Pressure] = {}

    def observe(self, seconds: float = WINDOW_S) -> int:
        """Take windows for `seconds` (or to the end of a recorded tree); returns how many."""
        before = self._sample()
        seen = 0
        while (seen < PARTS or not self._tree.live) and self._tree.wait(seconds / PARTS):
            after = self._sample()
            for seat in self._seats:
                self._take(seat, before, after)
            before, seen = after, seen + 1
        return seen

    def decide(self) -> list[Finding]:
        """One finding per seat, in order."""
        answers = {a.recommendation.proxy: a for a in self._ask()}
        return [self._finding(seat, answers.get(seat.proxy.id)) for seat in self._seats]

    def _sample(self) -> dict[str, Sample]:
        return dict(self._transport.sample([seat.proxy for seat in self._seats]))

    def _take(self, seat: Seat, before: dict[str, Sample], after: dict[str, Sample]) -> None:
        name = seat.proxy.id
        if name not in before or name not in after:
            self._reasons[name] = "no counters for this object"
            return
        window = Window(before[name], after[name])
        self._pressure[name] = pressure_of(window)
        sight = see(seat, window, seat.baseline)
        if sight.features is None:
            self._reasons[name] = sight.nothing
            return
        domain = seat.model.domain if seat.model else None
        self._evidence[name].add(sight.features, seat.baseline, domain)

    def _ask(self) -> Iterator[Answer]:
        groups: dict[tuple[int, float, float], list[Seat]] = defaultdict(list)
        for seat in self._seats:
            if not seat.lacks and len(self._evidence[seat.proxy.id]):
                rules = seat.policy.gate
                groups[id(seat.model), rules.confidence, rules.min_gain].append(seat)
        for (_, confidence, min_gain), seats in groups.items():
            assert seats[0].model is not None
            questions = [self._question(seat) for seat in seats]
            yield from recommend(
                seats[0].adapter, seats[0].model, questions, confidence, math.log1p(min_gain)
            )

    def _question(self, seat: Seat) -> Question:
        evidence = self._evidence[seat.proxy.id]
        assert evidence.features is not None
        return Question(
            proxy=seat.proxy,
            features=evidence.features,
            views=(View(evidence.mean(), seat.baseline),),
            held=seat.asked(seat.baseline),
            baseline=seat.asked(seat.baseline),
            options=seat.options(seat.baseline, evidence.features),
            taken_ns=self._tree.now_ns(),
        )

    def _finding(self, seat: Seat, answer: Answer | None) -> Finding:
        if answer is None:
            return Finding(seat, None, None, seat.lacks or self._reasons[seat.proxy.id])
        rec = answer.recommendation
        pressure = self._pressure.get(seat.proxy.id, Pressure(None, None))
        blind = blind_reason(seat, answer)
        if blind:
            return Finding(seat, answer, Verdict("hold", "blind", blind), blind)
        history = survey_history(seat, rec, pressure, self._trust)
        rec, verdict = judge_answer(answer, seat.policy, history)
        return Finding(seat, replace(answer, recommendation=rec), verdict, verdict.reason)


def survey_history(
    seat: Seat, rec: Recommendation, pressure: Pressure, trust: TrustStore | None
) -> History:
    """The history of a seat that nothing was done to yet: no dwell, but what earlier runs
    measured to be worse, and what other tools rewrote."""
    place = identity_key(seat.proxy), rec.knob
    knob = seat.adapter.knob(rec.knob)
    return History(
        mode=Mode.RECOMMENDATION.under(seat.policy.mode),
        overrides=trust.overrides(*place) if trust else 0,
        regressions=trust.regressions(*place) if trust else (),
        kernel=seat.kernel[knob.name],
        adapter=seat.own_range(knob),
        grid=knob.grid,
        trusted=seat.policy.trust == "model",
        memory_pressure=pressure.memory,
        io_pressure=pressure.io,
    )


def blind_reason(seat: Seat, answer: Answer) -> str:
    """Why the value in force hides the workload; "" when it does not."""
    rec = answer.recommendation
    knob = seat.adapter.knob(rec.knob)
    if not seat.adapter.is_blind(answer.features, knob, rec.current):
        return ""
    return (
        f"at {rec.knob} {rec.current} workloads cannot be told apart; "
        f"`mlproxy run` looks from {seat.adapter.look_from(knob, rec.current)}"
    )
