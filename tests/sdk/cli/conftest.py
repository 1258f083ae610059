"""Every test of the command line works in an empty directory of its own."""

from __future__ import annotations

from tests.sdk.cli.program import here

__all__ = ["here"]
