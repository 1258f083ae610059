"""Entries of the audit, written in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perdure.engine.store import statements as s
from perdure.engine.store.rows import AuditEntry
from perdure.engine.store.transaction import Transaction


def write_audit(tx: Transaction, entries: Iterable[AuditEntry | None]) -> None:
    """Entries of the audit, dated by this transaction."""
    dated = [msgspec.structs.replace(entry, at=tx.now) for entry in entries if entry is not None]
    tx.structs(s.AUDIT_INSERT, dated)
