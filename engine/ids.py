"""New names: of workers, executions, messages and instances. Chance is only here."""

from __future__ import annotations

import uuid


def new_id() -> str:
    """32 hexadecimal digits that nobody has had before."""
    return uuid.uuid4().hex
