"""What a command that looks at devices starts from: tree, adapters, checked policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.cli.console import note
from mlproxy.errors import ConfigError, MlproxyError, PolicyError
from mlproxy.policy import Policy
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import default_policy, load_policies
from mlproxy.proxy import Proxy
from mlproxy.registry import Registry, load_registry
from mlproxy.transports.base import Transport
from mlproxy.transports.choose import open_transport
from mlproxy.tree import GIVEN, Tree


@dataclass(frozen=True)
class Session:
    """One machine with the policies that apply to it.

    `skipped` names adapters that cannot be used, each with why.
    """

    tree: Tree
    transport: Transport
    registry: Registry
    policies: tuple[Policy, ...]
    devices: tuple[str, ...]
    proxies: dict[str, list[Proxy]]
    skipped: dict[str, str]


def open_session(
    root: Path, configs: Sequence[Path] | None = None, devices: Sequence[str] = ()
) -> Session:
    """Read adapters and policies, find the proxies, and check all against each other.

    Raises:
        ConfigError: a policy breaks a rule, two claim one knob, a device is not there, or
            root is no machine.
        NotPermitted: this user may not read root.
    """
    tree = _machine(root)
    transport = open_transport(tree)
    registry = load_registry()
    skipped = dict(registry.broken)
    policies = _given(configs) if configs else _defaults(registry, skipped)
    adapters = {policy.adapter for policy in policies} & set(registry.adapters)
    proxies = {name: transport.discover(registry.adapters[name]) for name in sorted(adapters)}
    for name, why in skipped.items():
        note(f"adapter {name} is skipped: {why}")
    _check(policies, registry.adapters, proxies)
    _require_devices(devices, proxies)
    return Session(tree, transport, registry, tuple(policies), tuple(devices), proxies, skipped)


def _machine(root: Path) -> Tree:
    tree = Tree(root)
    if not tree.exists("proc"):
        raise ConfigError(f"no machine in {root}: there is no {tree.base}/proc; give {GIVEN}")
    return tree


def _given(configs: Sequence[Path]) -> list[Policy]:
    found: list[Policy] = []
    problems = []
    for path in configs:
        try:
            found += load_policies(path)
        except PolicyError as error:
            problems.append(str(error))
    if problems:
        raise PolicyError("\n".join(problems))
    return found


def _defaults(registry: Registry, skipped: dict[str, str]) -> list[Policy]:
    """Each adapter's own policy; one that is broken costs its adapter, not the others."""
    found = []
    for name, adapter in sorted(registry.adapters.items()):
        try:
            found.append(_own(adapter))
        except MlproxyError as error:
            skipped[name] = str(error)
    return found


def _own(adapter: Adapter) -> Policy:
    policy = default_policy(adapter)
    problems = check_policies([policy], {adapter.name: adapter})
    if problems:
        raise PolicyError("; ".join(problems))
    return policy


def _check(
    policies: Sequence[Policy], adapters: Mapping[str, Adapter], proxies: Mapping[str, list[Proxy]]
) -> None:
    devices = {name: [proxy.names for proxy in found] for name, found in proxies.items()}
    problems = check_policies(policies, adapters, devices)
    if problems:
        raise PolicyError("\n".join(problems))


def _require_devices(devices: Sequence[str], proxies: Mapping[str, list[Proxy]]) -> None:
    found = [proxy for each in proxies.values() for proxy in each]
    for name in devices:
        if not any(name in proxy.names or name == proxy.id for proxy in found):
            have = ", ".join(sorted({proxy.device for proxy in found})) or "none"
            raise ConfigError(
                f"no device {name!r} that a policy's adapter can tune; there is: {have}"
            )
