"""Keys of those who ask over HTTP: what is kept of them, and when they count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, or_, select, update

from perdure.engine.errors import Conflict, NotFound
from perdure.engine.store import tables as t
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.races import retried
from perdure.engine.store.rows import ApiKey, AuditEntry
from perdure.engine.store.transaction import Transaction

_c = t.api_keys.c
_IS = _c.id == bindparam("the_id")
API_KEY_INSERT = insert(t.api_keys)
API_KEYS = select(t.api_keys).order_by(_c.created_at, _c.id)
API_KEY = select(t.api_keys).where(_IS)
API_KEY_REVOKE = update(t.api_keys).where(_IS, _c.revoked_at.is_(None)).values(revoked_at=bindparam("at"))
API_KEY_USED = (
    update(t.api_keys)
    .where(_IS, or_(_c.used_at.is_(None), _c.used_at < bindparam("before")))
    .values(used_at=bindparam("at"))
)


def check_name(name: str, present: Sequence[ApiKey]) -> None:
    """Raises ``Conflict`` when a key that is not revoked has this name."""
    if any(each.name == name and each.revoked_at is None for each in present):
        raise Conflict(f"there is a key {name!r} already", hint="revoke it, or choose another name")


def find_key(name: str, present: Sequence[ApiKey]) -> ApiKey:
    """The key of this id, or else the newest one of this name that is not revoked. Raises ``NotFound``."""
    for key in reversed(present):
        if key.id == name or (key.name == name and key.revoked_at is None):
            return key
    if any(key.name == name for key in present):
        raise NotFound(f"the key {name!r} was revoked before")
    raise NotFound(f"there is no key {name!r}", hint="`perdure keys list` shows those that there are")


class SqlApiKeys(ABC):
    """The methods of a store in an SQL database."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...

    @retried
    def add_api_key(self, key: ApiKey, audit: AuditEntry | None = None) -> ApiKey:
        with self._write(quiet=True) as tx:
            check_name(key.name, _all(tx))
            dated = msgspec.structs.replace(key, created_at=tx.now)
            tx.structs(API_KEY_INSERT, [dated])
            write_audit(tx, [audit])
        return dated

    def api_keys(self) -> list[ApiKey]:
        with self._read() as tx:
            return _all(tx)

    def api_key(self, id: str) -> ApiKey | None:
        with self._read() as tx:
            row = tx.row(API_KEY, the_id=id)
            return None if row is None else _to_key(row)

    def revoke_api_key(self, name: str, audit: AuditEntry | None = None) -> ApiKey:
        with self._write(quiet=True) as tx:
            found = find_key(name, _all(tx))
            if tx.run(API_KEY_REVOKE, the_id=found.id, at=tx.now):
                found = msgspec.structs.replace(found, revoked_at=tx.now)
                write_audit(tx, [audit])
        return found

    def use_api_key(self, id: str, every: int) -> None:
        with self._write(quiet=True) as tx:
            tx.run(API_KEY_USED, the_id=id, at=tx.now, before=tx.now - every)

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        with self._write(quiet=True) as tx:
            write_audit(tx, entries)


def _all(tx: Transaction) -> list[ApiKey]:
    return [_to_key(row) for row in tx.rows(API_KEYS)]


def _to_key(row: Any) -> ApiKey:
    return msgspec.convert(dict(zip(ApiKey.__struct_fields__, row, strict=True)), ApiKey)
