"""Entities in an SQL database: the part of ``protocol`` that has to do with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import Select, bindparam, delete, insert, select, tuple_, update

from perdure.engine.errors import Refused
from perdure.engine.store import tables as t
from perdure.engine.store.prefixes import has_prefix
from perdure.engine.store.rows import EntityQuery, EntityRow, EntityWrite
from perdure.engine.store.transaction import Transaction

_c = t.entities.c
_IS = (
    _c.id == bindparam("the_id"),
    _c.incarnation == bindparam("the_incarnation"),
    _c.version == bindparam("the_version"),
)
_KEPT = ("id", "slot", "type", "key")

ENTITY = select(t.entities).where(_c.id == bindparam("the_id"))
ENTITY_INSERT = insert(t.entities)
ENTITY_UPDATE = (
    update(t.entities)
    .where(*_IS)
    .values(
        {column.name: bindparam(column.name) for column in t.entities.columns if column.name not in _KEPT}
    )
)
ENTITY_DELETE = delete(t.entities).where(*_IS)

_names = [column.name for column in t.entities.columns]


def entities(query: EntityQuery) -> Select[Any]:
    """The page of entities that a query asks for. Its values stand in the statement."""
    found = select(t.entities).where(_c.state.is_not(None)).order_by(_c.type, _c.key).limit(query.limit)
    if query.type is not None:
        found = found.where(_c.type == query.type)
    if query.key_prefix:
        found = found.where(*has_prefix(_c.key, query.key_prefix))
    if query.updated_from is not None:
        found = found.where(_c.updated_at >= query.updated_from)
    if query.updated_to is not None:
        found = found.where(_c.updated_at <= query.updated_to)
    if query.after is not None:
        found = found.where(tuple_(_c.type, _c.key) > tuple_(*query.after))
    return found


def write(tx: Transaction, writes: Sequence[EntityWrite]) -> None:
    """Insert, change and delete. Raises ``Refused`` when a row is not as it was."""
    ordered = sorted(writes, key=lambda each: each.id)
    changed = [(each.row, each.before) for each in ordered if each.row is not None and each.before]
    gone = [(each.id, *each.before) for each in ordered if each.row is None and each.before is not None]
    tx.structs(ENTITY_INSERT, [each.row for each in ordered if each.before is None and each.row is not None])
    hit = tx.mappings(ENTITY_UPDATE, [_columns(row, before) for row, before in changed])
    hit += tx.tuples(ENTITY_DELETE, gone)
    if (missed := len(changed) + len(gone) - hit) > 0:
        raise Refused(f"In a batch, {missed} entities are not as they were.")


def _columns(row: EntityRow, before: tuple[str, int]) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(row),
        "the_id": row.id,
        "the_incarnation": before[0],
        "the_version": before[1],
    }


class SqlEntities(ABC):
    """The methods of a store."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...

    def load_entities(self, ids: Sequence[str]) -> list[EntityRow]:
        with self._read() as tx:
            found = tx.rows_each(ENTITY, [{"the_id": id_} for id_ in dict.fromkeys(ids)])
        return [_row(row) for rows in found for row in rows]

    def entities(self, query: EntityQuery) -> list[EntityRow]:
        with self._read() as tx:
            return [_row(row) for row in tx.rows_once(entities(query))]


def _row(row: tuple[Any, ...]) -> EntityRow:
    return EntityRow(**dict(zip(_names, row, strict=True)))
