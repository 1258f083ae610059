"""A hub that was exported is closed: what would be done there from then on is not done in the copy.

Who opens it is told by the revision of its schema. Who had it open already finds tables gone: messages and
the audit, to which everything writes that a client is told of, and workers, on which all rests that one of
these writes. One that was stopped for so long that it counts no more may go on in the middle of a turn.
"""

from __future__ import annotations

from perdure.engine.errors import Conflict
from perdure.engine.store.migrations import HEAD

_PREFIX = "closed "
_TABLES = ("inbox", "audit", "workers")

CLOSE = (
    *(f"ALTER TABLE {name} RENAME TO {name}_of_closed_hub" for name in _TABLES),
    f"UPDATE alembic_version SET version_num = '{_PREFIX}{HEAD}'",  # noqa: S608 - constants
)
"""Statements for every dialect."""


def is_closed(revision: str | None) -> bool:
    """Whether the schema of this revision is that of a closed hub."""
    return revision is not None and revision.startswith(_PREFIX)


def check_open(revision: str | None, database: str) -> None:
    """Raises ``Conflict`` for a closed hub."""
    if is_closed(revision):
        raise Conflict(
            f"{database} was exported, and is closed: its work goes on where its file is imported.",
            hint="`perdure hub reopen` opens it again, if it was imported nowhere",
        )


def opening(revision: str) -> tuple[str, ...]:
    """The statements that open a closed hub of this revision again."""
    before = revision.removeprefix(_PREFIX)
    assert before.isalnum(), "revisions are numbers"
    return (
        *(f"ALTER TABLE {name}_of_closed_hub RENAME TO {name}" for name in _TABLES),
        f"UPDATE alembic_version SET version_num = '{before}'",  # noqa: S608 - checked above
    )
