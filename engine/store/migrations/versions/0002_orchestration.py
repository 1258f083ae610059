"""Everything that entities, schedules, flow control and the life of an instance keep in tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHERE = ("sqlite_where", "postgresql_where")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ORDERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}


def upgrade() -> None:
    """Add the tables and columns; what is there stays."""
    _audit()
    _messages()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("ord", Long, primary_key=True, autoincrement=True),
        sa.Column("at", Long, nullable=False),
        _text("actor"),
        _text("action"),
        _text("target"),
        _text("details"),
        **ORDERED,
    )
    op.create_index("audit_by_target", "audit", ["target", "ord"])


def _messages() -> None:
    timed: dict[str, Any] = dict.fromkeys(WHERE, sa.text("due > 0"))
    op.create_index("inbox_timed", "inbox", ["instance", "due"], **timed)
