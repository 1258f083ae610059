"""Who is about to leave the hub."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column; nobody who is there is about to leave."""
    op.add_column("workers", sa.Column("draining", Flag, nullable=False, server_default=sa.false()))
