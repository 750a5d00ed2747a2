"""The command line: `mlproxy COMMAND`. Start with `mlproxy apply --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence

from mlproxy.cli.exit_codes import INTERRUPTED

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; Ctrl-C ends it while it is loaded, too."""
    try:
        from mlproxy.cli.program import main as run

        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
