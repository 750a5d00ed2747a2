"""Where a command works and what it may do there: root privilege, live tree, state folder."""

from __future__ import annotations

import os
from pathlib import Path

from mlproxy.cli.console import note
from mlproxy.cli.options import LIVE
from mlproxy.errors import ConfigError, NotPermitted

SYSTEM_STATE = Path("/var/lib/mlproxy")


def state_dir(given: Path | None) -> Path:
    """The state folder; see the help of --state."""
    if given is not None:
        return given.absolute()
    named = os.environ.get("MLPROXY_STATE")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return SYSTEM_STATE
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "mlproxy"


def mention_system_state(given: Path | None, command: str) -> None:
    """Tell a plain user, whose own state folder is meant, that root's exists too."""
    if _is_not_the_systems(given):
        note(_system_state(command))


def require_meant_state(given: Path | None, command: str) -> None:
    """Refuse a plain user who names no state folder where root's exists: it would be another
    agent's. Raises: NotPermitted."""
    if _is_not_the_systems(given) and not os.environ.get("MLPROXY_STATE"):
        raise NotPermitted(f"{_system_state(command)}, or --state with a folder of your own")


def _is_not_the_systems(given: Path | None) -> bool:
    return given is None and state_dir(None) != SYSTEM_STATE and SYSTEM_STATE.exists()


def _system_state(command: str) -> str:
    return f"the system's agent keeps its state in {SYSTEM_STATE}: sudo mlproxy {command}"


def is_live(root: Path) -> bool:
    """True when the tree is the running machine."""
    return root.resolve() == LIVE


def require_live(root: Path, command: str) -> None:
    """Refuse --root for a command that writes. Raises: ConfigError."""
    if not is_live(root):
        raise ConfigError(
            f"`mlproxy {command}` writes, and --root {root} is for looking only; "
            f"leave --root out, or use `mlproxy apply --dry-run --root {root}`"
        )


def require_root(command: str) -> None:
    """Refuse a plain user. Raises: NotPermitted."""
    if os.geteuid() != 0:
        raise NotPermitted(
            f"`mlproxy {command}` changes kernel values, which needs root: "
            f"sudo mlproxy {command}; `mlproxy apply --dry-run` looks without"
        )
