"""Who did what: acts of operators, written in the transaction of their effect and never changed.

An act that is a message is written with the message, so that it is known even before its instance has
heard of it. The actor is who the request says; whoever says nothing is ``local``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine.cursors import decode_cursor, encode_cursor
from perdure.engine.errors import UserError
from perdure.engine.linked import encode_json
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditEntry, AuditQuery
from perdure.engine.views import time_text

LOCAL = "local"
"""Who acts when nobody is named."""
MAX_ACTOR = 255


def entry(actor: str, action: str, target: str, **details: Any) -> AuditEntry:
    """An entry to be written; details that are None say nothing."""
    said = {name: value for name, value in details.items() if value is not None}
    return AuditEntry(actor=actor, action=action, target=target, details=encode_json(said))


def valid_actor(actor: str) -> str:
    """The name, if it is one. Raises ``UserError``."""
    if not (0 < len(actor) <= MAX_ACTOR and actor.isprintable()):
        error = UserError(f"the name of an actor has 1 to {MAX_ACTOR} printable characters")
        error.code = "invalid_actor"
        raise error
    return actor


def page(
    store: Store,
    *,
    target: str | None,
    action: str | None,
    actor: str | None,
    limit: int,
    cursor: str | None,
) -> dict[str, Any]:
    """A page of the audit, newest first: ``items`` and the ``next`` cursor."""
    before = None if cursor is None else decode_cursor(cursor, tuple[int])[0]
    query = AuditQuery(target=target, action=action, actor=actor, before=before, limit=limit + 1)
    found = store.audit(query)
    more = len(found) > limit
    return {
        "items": [_view(each) for each in found[:limit]],
        "next": encode_cursor((found[limit - 1].ord,)) if more else None,
    }


def _view(each: AuditEntry) -> dict[str, Any]:
    return {
        "number": each.ord,
        "at": time_text(each.at),
        "actor": each.actor,
        "action": each.action,
        "target": each.target,
        "details": msgspec.json.decode(each.details),
    }
