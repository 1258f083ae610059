"""Entities in memory: the model of ``store.entities``."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.engine.errors import Refused
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import EntityQuery, EntityRow, EntityWrite


class MemoryEntities(MemoryTables):
    """The methods of a store."""

    def _write_entity(self, write: EntityWrite) -> None:
        if write.before is None:
            assert write.row is not None, "nothing was there and nothing is to be"
            self._insert(self._entities, write.id, write.row)
            return
        row = self._entities.get(write.id)
        if row is None or (row.incarnation, row.version) != write.before:
            raise Refused(f"The entity {write.id!r} is not as it was.")
        if write.row is None:
            self._delete(self._entities, write.id)
        else:
            self._put(self._entities, write.id, write.row)

    def load_entities(self, ids: Sequence[str]) -> list[EntityRow]:
        with self._read():
            return [self._entities[id_] for id_ in dict.fromkeys(ids) if id_ in self._entities]

    def entities(self, query: EntityQuery) -> list[EntityRow]:
        with self._read():
            found = [one for one in self._entities.values() if _matches(one, query)]
        return sorted(found, key=lambda one: (one.type, one.key))[: query.limit]


def _matches(row: EntityRow, query: EntityQuery) -> bool:
    return (
        row.state is not None
        and (query.type is None or row.type == query.type)
        and row.key.startswith(query.key_prefix)
        and (query.updated_from is None or row.updated_at >= query.updated_from)
        and (query.updated_to is None or row.updated_at <= query.updated_to)
        and (query.after is None or (row.type, row.key) > query.after)
    )
