"""The schema moves forward only, one file a version.

``upgrade`` runs alembic on a connection that is inside a transaction. Importing it loads alembic (0.2 s),
so it is imported only when the schema is missing or old, which one SELECT tells.
"""

from __future__ import annotations

HEAD = "0002"
"""The revision that this code reads and writes."""

KNOWN = frozenset({"0001", HEAD})
"""Every revision that ``upgrade`` can start from."""
