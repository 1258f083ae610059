"""Who may ask over HTTP."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHERE = ("sqlite_where", "postgresql_where")
SHORT: dict[str, Any] = {"sqlite_with_rowid": False, "sqlite_strict": True}
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of keys."""
    op.create_table(
        "api_keys",
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("role", Text, nullable=False),
        sa.Column("hash", Text, nullable=False),
        sa.Column("created_at", Long, nullable=False),
        sa.Column("expires_at", Long, nullable=True),
        sa.Column("revoked_at", Long, nullable=True),
        sa.Column("used_at", Long, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        **SHORT,
    )
    where: dict[str, Any] = dict.fromkeys(WHERE, sa.text("revoked_at IS NULL"))
    op.create_index("api_keys_by_name", "api_keys", ["name"], unique=True, **where)
