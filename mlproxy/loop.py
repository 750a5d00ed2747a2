"""The loop: attributes -> snapshot -> features -> model -> recommendation -> gate -> write.

One tick asks every model once for all the proxies that are due; the kernel is never waited
for and never waits.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from mlproxy.actuator import Actuator
from mlproxy.controller import Controller
from mlproxy.decide import Answer, recommend
from mlproxy.errors import MlproxyError, Overridden, Postponed
from mlproxy.judgement import Judgement
from mlproxy.ledger import Ledger
from mlproxy.restore import Outcome, Restored
from mlproxy.ruling import NS
from mlproxy.snapshot import Sample
from mlproxy.transports.base import Transport
from mlproxy.tree import Tree

PAUSE = "pause"
"""A file of this name in the state folder is the kill switch."""

PATROL_S = 1.0
"""Longest time until a pause or a stop is heeded, however long the policies' intervals."""


class Agent:
    """Observes, decides, applies and measures until it is stopped.

    Everything that it changed is taken back by `close`, unless the policy says keep; `unrestored`
    is what the kernel refused even then.
    """

    def __init__(
        self,
        tree: Tree,
        transport: Transport,
        controllers: Sequence[Controller],
        judgement: Judgement,
        actuator: Actuator,
        ledger: Ledger,
        state: Path,
    ) -> None:
        self.controllers = list(controllers)
        self._tree = tree
        self._transport = transport
        self._judgement = judgement
        self._actuator = actuator
        self._ledger = ledger
        self._pause = str(state / PAUSE)
        self._stopped = False
        self.unrestored: list[Restored] = []
        for controller in self.controllers:
            controller.overrides = partial(judgement.overrides, controller)

    def run(self, seconds: float = math.inf) -> None:
        """Tick until `seconds` are over or `stop` is called."""
        end_ns = self._tree.now_ns() + seconds * NS
        while not self._stopped and self._tree.now_ns() < end_ns:
            self.tick()
            due_ns = min((c.due_ns for c in self.controllers), default=end_ns)
            left_s = (min(due_ns, end_ns) - self._tree.now_ns()) / NS
            self._tree.wait(min(left_s, PATROL_S))

    def tick(self) -> None:
        """One round over the controllers that are due."""
        now_ns = self._tree.now_ns()
        paused = self._paused()
        due = [c for c in self.controllers if c.due_ns <= now_ns or paused]
        if not due:
            return
        samples = self._transport.sample([c.seat.proxy for c in due])
        for controller in due:
            self._observe(controller, samples, now_ns)
        for controller, answer in self._ask(due, now_ns):
            self._judge(controller, answer, now_ns, paused)
        for controller in due:
            self._act(controller, now_ns, bool(paused))
        done_ns = self._tree.now_ns()
        for controller in due:
            controller.schedule(done_ns)
        self._ledger.publish(self.controllers, paused)

    def stop(self) -> None:
        """End `run` after the tick that is under way."""
        self._stopped = True

    def close(self) -> None:
        """Take everything back, or keep it where the policy says so."""
        with ExitStack() as ending:  # what one raises keeps no other from its end
            ending.callback(self._ledger.publish, self.controllers, "not running", final=True)
            for controller in reversed(self.controllers):
                ending.callback(self._end, controller)

    def _end(self, controller: Controller) -> None:
        """Let one proxy go, before anything is said of it."""
        proxy = controller.seat.proxy
        kept = controller.seat.policy.on_exit == "keep" and not proxy.lease
        if kept and not controller.stood_down:
            controller.look = None  # what a look tried is not what is kept
            try:
                self._act(controller, self._tree.now_ns(), bool(self._paused()))
            finally:
                self._actuator.keep(proxy)
            return
        restored = self._actuator.restore(proxy, "exit")
        self._actuator.release(proxy)
        self.unrestored += [line for line in restored if line.outcome is Outcome.REFUSED]
        self._ledger.restored(restored)

    def _observe(self, controller: Controller, samples: Mapping[str, Sample], now_ns: int) -> None:
        sample = samples.get(controller.seat.proxy.id)
        if sample is None:
            if not controller.stood_down:
                self._stand_down(controller, "its object is gone")
            return
        self._watch_administrator(controller)
        ruling = controller.ruling
        judged = controller.observe(sample, now_ns)
        if judged is not None and ruling is not None:
            left_s = self._judgement.learn(controller, judged)
            self._ledger.judged(controller, ruling, judged, left_s)
        if controller.contested and not controller.stood_down:
            self._stand_down(controller, controller.contested)

    def _watch_administrator(self, controller: Controller) -> None:
        """A value that is not the one we left is somebody else's: stand down (promise 3)."""
        if controller.stood_down:
            return
        for knob in controller.seat.watched:
            found = self._transport.value(controller.seat.proxy, knob)
            left = controller.left(knob.name)
            if found is not None and found != left:
                self._judgement.overridden(controller, knob.name)
                self._stand_down(controller, f"{knob.name} is {found}, we left {left}")
                return

    def _ask(self, due: Sequence[Controller], now_ns: int) -> Iterator[tuple[Controller, Answer]]:
        """One batched prediction per model and confidence."""
        groups = defaultdict(list)
        for controller in due:
            question = None if controller.stood_down else controller.question(now_ns)
            if question is not None:
                rules = controller.seat.policy.gate
                key = (id(controller.seat.model), rules.confidence, rules.min_gain)
                groups[key].append((controller, question))
        for (_, confidence, min_gain), members in groups.items():
            seat = members[0][0].seat
            assert seat.model is not None
            questions = [question for _, question in members]
            answers = recommend(
                seat.adapter, seat.model, questions, confidence, math.log1p(min_gain)
            )
            yield from zip((c for c, _ in members), answers, strict=True)

    def _judge(self, controller: Controller, answer: Answer, now_ns: int, paused: str) -> None:
        rec, verdict = self._judgement.verdict(controller, answer, now_ns, paused)
        looked = controller.look is not None
        self._ledger.decided(controller, answer, rec, verdict)
        self._judgement.enforce(controller, rec, verdict, now_ns)
        controller.conclude(verdict, now_ns)
        if not looked and not paused:
            controller.doubt(answer, verdict, now_ns)

    def _act(self, controller: Controller, now_ns: int, paused: bool) -> None:
        """Make the changes that are wanted, one after the other."""
        while (change := controller.wanted(now_ns, paused)) is not None:
            seat = controller.seat
            before = dict(controller.setting)
            try:
                change.make(self._actuator, seat)
            except Overridden as error:
                self._judgement.overridden(controller, change.knob)
                self._stand_down(controller, str(error))
                return
            except Postponed as error:
                controller.postponed(error, now_ns)
                return
            except MlproxyError as error:
                self._stand_down(controller, f"cannot set {change.knob}: {error}")
                return
            controller.changed(self._read(controller), change, self._tree.now_ns())
            self._ledger.changed(controller, change, before)

    def _read(self, controller: Controller) -> dict[str, int | str]:
        seat = controller.seat
        values = {k.name: self._transport.value(seat.proxy, k) for k in seat.adapter.knobs}
        return {name: value for name, value in values.items() if value is not None}

    def _stand_down(self, controller: Controller, reason: str) -> None:
        controller.stand_down(reason)
        self._ledger.stood_down(controller, reason)
        self._ledger.restored(self._actuator.restore(controller.seat.proxy, "stand down"))

    def _paused(self) -> str:
        file = self._pause
        try:
            os.stat(file)  # noqa: PTH116 (every tick: a tenth of what a Path costs)
            return Path(file).read_text(errors="replace").strip() or f"{file} exists"
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{file}: {error.strerror}"
