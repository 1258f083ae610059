"""The schema moves forward only, one file a version.

``upgrade`` runs alembic on a connection that is inside a transaction. Importing it loads alembic (0.2 s),
so it is imported only when the schema is missing or old, which one SELECT tells.
"""

from __future__ import annotations

from perdure.engine.errors import StoreError

HEAD = "0004"
"""The revision that this code reads and writes."""

KNOWN = frozenset({"0001", "0002", "0003", HEAD})
"""Every revision that ``upgrade`` can start from."""


def check_known(revision: str | None, database: str) -> None:
    """Raises ``StoreError`` when the database was upgraded by a perdure that is newer than this one."""
    if revision is not None and revision not in KNOWN:
        raise StoreError(
            f"{database} was written by a newer version of perdure (schema {revision}).",
            hint=f"upgrade perdure: this version knows schemas up to {HEAD}",
        )
