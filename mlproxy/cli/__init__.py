"""The command line: `mlproxy COMMAND`. Start with `mlproxy apply --dry-run`."""

from mlproxy.cli.program import app, main

__all__ = ["app", "main"]
