"""The command line: the only place that knows every part."""

from archon.cli.app import main

__all__ = ["main"]
