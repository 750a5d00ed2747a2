"""`mlproxy probe`: what this machine offers, per proxy and knob, and what it lacks."""

from __future__ import annotations

from mlproxy.adapter import Adapter
from mlproxy.cli.console import emit
from mlproxy.cli.options import LIVE, AsJson, Configs, Devices, Root, names_of
from mlproxy.cli.schema import ProbedKnob, ProbedProxy, ProbeReport
from mlproxy.cli.session import Session, open_session
from mlproxy.cli.view_probe import show_probe
from mlproxy.knob import Effect, Knob
from mlproxy.policy import Policy
from mlproxy.proxy import Proxy
from mlproxy.transports.base import Transport

KERNEL_TRIAL = "the kernel's own trial"


def probe(
    root: Root = LIVE, config: Configs = None, devices: Devices = None, as_json: AsJson = False
) -> None:
    """Show what this machine offers, per proxy and knob, and what it lacks.

    Example: mlproxy probe --devices sda
    """
    session = open_session(root, config, names_of(devices))
    emit(probe_report(session), as_json, show_probe)


def probe_report(session: Session) -> ProbeReport:
    """Everything that is claimed or named, read once; nothing is written."""
    found = []
    for name, proxies in session.proxies.items():
        adapter = session.registry.get(name)
        found += [
            _proxy(session.transport, adapter, proxy, _policy(session, proxy))
            for proxy in proxies
            if _named(session, proxy)
        ]
    notes = {name: session.registry.get(name).note for name in session.proxies}
    return ProbeReport(
        root=str(session.tree.root),
        proxies=tuple(found),
        notes={name: note for name, note in notes.items() if note},
        skipped=session.skipped,
    )


def _named(session: Session, proxy: Proxy) -> bool:
    names = proxy.names | {proxy.id}
    return not session.devices or any(name in names for name in session.devices)


def _policy(session: Session, proxy: Proxy) -> Policy | None:
    for policy in session.policies:
        if policy.adapter == proxy.subsystem and policy.match.selects(proxy.names):
            return policy
    return None


def _proxy(
    transport: Transport, adapter: Adapter, proxy: Proxy, policy: Policy | None
) -> ProbedProxy:
    knobs = (knob for knob in adapter.knobs if knob.name in proxy.knobs)
    return ProbedProxy(
        proxy=proxy.id,
        device=proxy.device,
        adapter=adapter.name,
        transport=proxy.transport,
        names=tuple(sorted(proxy.names)),
        progress=KERNEL_TRIAL if proxy.lease else _progress(adapter, policy),
        lacks=proxy.lacks,
        knobs=tuple(_knob(transport, proxy, knob) for knob in knobs),
    )


def _progress(adapter: Adapter, policy: Policy | None) -> str:
    if policy is not None and policy.objective is not None:
        kinds = policy.objective.model_dump(exclude_none=True)
        return f"the policy's objective ({', '.join(kinds)})"
    return adapter.objective.stock_progress


def _knob(transport: Transport, proxy: Proxy, knob: Knob) -> ProbedKnob:
    """The range is what kernel and adapter both allow."""
    low, high = transport.kernel_range(proxy, knob)
    lows = [value for value in (low, knob.minimum) if value is not None]
    highs = [value for value in (high, knob.maximum) if value is not None]
    offered = transport.kernel_choices(proxy, knob)
    return ProbedKnob(
        knob=knob.name,
        what=knob.what,
        unit=knob.unit,
        path=proxy.knobs[knob.name],
        value=transport.value(proxy, knob),
        minimum=max(lows, default=None),
        maximum=min(highs, default=None),
        choices=tuple(word for word in knob.choices if not offered or word in offered),
        special={str(value): meaning for value, meaning in knob.special.items()},
        takes_effect=str(Effect.AT_ONCE if proxy.lease else knob.effect),
        cost=knob.cost,
    )
