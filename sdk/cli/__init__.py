"""The command line. Importing it loads click alone, and so do ``perdure --help`` and ``--version``."""

from __future__ import annotations

from perdure.cli.app import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line on the process's arguments, and exit with its code."""
    cli.main(prog_name="perdure")
