"""Which proxies a policy and a person mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from mlproxy.errors import ConfigError
from mlproxy.proxy import Proxy


def select(
    proxies: Sequence[Proxy],
    match_devices: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    names: Sequence[str] = (),
) -> list[Proxy]:
    """Proxies that match one of the globs, none of the excluded, and one of `names`.

    A glob is held against every name of a proxy: "sda2" also finds the LVM on it, and
    excluding "sda" leaves out that LVM too.

    Args:
        match_devices: globs of a policy, e.g. ["nvme*", "/home"].
        exclude: globs of a policy.
        names: what a person gave by hand: devices, mount points, proxy ids, or globs;
            () for all that the policy allows.

    Raises:
        ConfigError: one of `names` selects nothing that the policy allows.
    """
    allowed = [
        proxy
        for proxy in proxies
        if _matches(proxy, match_devices) and not _matches(proxy, exclude)
    ]
    for name in names:
        if not any(_matches(proxy, (name,)) for proxy in allowed):
            have = ", ".join(sorted({proxy.device for proxy in allowed})) or "none"
            raise ConfigError(f"no device {name!r} that the policy allows; there is: {have}")
    return [proxy for proxy in allowed if not names or _matches(proxy, names)]


def _matches(proxy: Proxy, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs for name in proxy.names)
