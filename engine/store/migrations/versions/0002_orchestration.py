"""Everything that entities, schedules, flow control and the life of an instance keep in tables."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns; what is there stays."""
