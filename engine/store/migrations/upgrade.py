"""Runs the migrations that a database lacks."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_ONE_AT_A_TIME = threading.Lock()
"""What a migration calls is one for the whole process: it goes to whichever connection came last."""


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, inside the transaction that the connection is in."""
    scripts = ScriptDirectory(str(Path(__file__).parent))
    context = MigrationContext.configure(
        connection,
        opts={"fn": lambda revision, _: scripts._upgrade_revs("head", revision)},  # noqa: SLF001
    )
    with _ONE_AT_A_TIME, Operations.context(context):
        context.run_migrations()
