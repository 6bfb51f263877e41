"""The command line: one file a command."""

from nmflowgan_cli.cli.app import app

__all__ = ["app"]
