"""`mlproxy pause` and `resume`: the kill switch."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path

from mlproxy.cli.options import LIVE, Root, State
from mlproxy.cli.place import require_live, require_meant_state, state_dir
from mlproxy.disk import Disk, cannot, os_reason
from mlproxy.errors import MlproxyError

NAME = "pause"


def pause(state: State = None, root: Root = LIVE) -> None:
    """Stop applying anything: a running agent takes its values back until `resume`.

    Example: sudo mlproxy pause
    """
    require_live(root, "pause")
    require_meant_state(state, "pause")
    path = state_dir(state) / NAME
    already = _already(path)
    if already:
        print(f"already paused {already}")
        return
    text = f"by {_who()} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        Disk().ensure_folder(path.parent)
        path.write_text(text + "\n")
    except OSError as error:
        raise cannot("create", path, error) from error
    print(f"paused {text} ({path}); `mlproxy resume` ends it")


def resume(state: State = None, root: Root = LIVE) -> None:
    """Take the pause back: a running agent goes on.

    Example: sudo mlproxy resume
    """
    require_live(root, "resume")
    require_meant_state(state, "resume")
    path = state_dir(state) / NAME
    already = _already(path)
    if not already:
        print(f"not paused: there is no {path}")
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot("remove", path, error) from error
    print(f"resumed; it was paused {already}")


def paused_by(state: Path) -> str:
    """Who paused and when; "" when nobody did."""
    path = state / NAME
    try:
        return _read(path)
    except OSError as error:
        return f"(perhaps: {path} cannot be read: {os_reason(error)})"


def require_unpaused(state: Path) -> None:
    """Refuse to change anything while paused. Raises: MlproxyError."""
    text = paused_by(state)
    if text:
        raise MlproxyError(f"paused {text}; `mlproxy resume` ends it")


def _already(path: Path) -> str:
    """As `paused_by`, of what can be read. Raises: MlproxyError."""
    try:
        return _read(path)
    except OSError as error:
        raise cannot("read", path, error) from error


def _read(path: Path) -> str:
    """What the file says; "" where there is none."""
    try:
        return path.read_text(errors="replace").strip() or f"by whoever made {path}"
    except FileNotFoundError:
        return ""


def _who() -> str:
    name = os.environ.get("SUDO_USER")
    if name:
        return f"{name} (sudo)"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
