"""Purging in memory: the model of ``store.grooming`` and ``store.purge``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.purgeable import check_ended, check_family
from perdure.engine.store.rows import (
    AuditEntry,
    EndedQuery,
    Purged,
)


class MemoryGrooming(MemoryTables):
    """The methods of a store, and the tables that they delete from."""

    def purge(
        self, instance_id: str, *, leave_running: bool = False, audit: AuditEntry | None = None
    ) -> Purged:
        with self._write():
            present = check_ended(instance_id, self._instances.get(instance_id))
            check_family(instance_id, () if leave_running else self._family(present)[1])
            rows = self._remove_family(present)
            self._note(audit, self._clock.now())
        return Purged(rows=rows)

    def purge_ended(self, query: EndedQuery, audit: AuditEntry | None = None) -> Purged:
        with self._write():
            found = [one for one in self._instances.values() if _matches(one, query)]
            found.sort(key=_place)
            if query.after is not None:
                found = [one for one in found if _place(one) > query.after]
            rows, left = Counter[str](), list[str]()
            last, some = None, found[: query.limit]
            for last in some:
                if last.id not in self._instances:
                    continue
                if self._family(last)[1]:
                    left.append(last.id)
                else:
                    rows.update(self._remove_family(last))
                if rows.total() >= query.rows:
                    break
            if rows:
                self._note(audit, self._clock.now())
        over = last is None or (last is some[-1] and len(some) < query.limit)
        return Purged(rows=dict(rows), left=tuple(left), after=None if over or last is None else _place(last))

    def count_ended(self, query: EndedQuery) -> int:
        with self._read():
            return sum(_matches(one, query) for one in self._instances.values())

    def groom(self, limit: int, most_rows: int) -> Purged:
        with self._write():
            now = self._clock.now()
            found = [
                one
                for one in self._instances.values()
                if one.status.ended and one.purge_at is not None and one.purge_at <= now
            ]
            found.sort(key=lambda one: (one.purge_at, one.id))
            rows = Counter[str]()
            for one in [one for one in found if not self._running(one)][:limit]:
                if one.id in self._instances and not self._family(one)[1]:
                    rows.update(self._remove_family(one))
                if rows.total() >= most_rows:
                    break
        return Purged(rows=dict(rows))

    def forget_requests(self, before: int, limit: int) -> int:
        with self._write():
            old = [key for key in self._requests if self._requests_at[key] < before]
            old.sort(key=lambda key: (self._requests_at[key], key))
            return self._delete_all(self._requests, old[:limit])

    # -- one instance -----------------------------------------------------------------------------

    def _children(self, instance: Instance) -> list[Instance]:
        return sorted(
            (one for one in self._instances.values() if one.parent_id == instance.id), key=lambda one: one.id
        )

    def _running(self, instance: Instance) -> list[Instance]:
        return [one for one in self._children(instance) if not one.status.ended]

    def _family(self, instance: Instance) -> tuple[list[Instance], list[str]]:
        """Everybody who goes with an instance, itself first, and ids of children that have not ended."""
        found, running = {instance.id: instance}, list[str]()
        level = [instance]
        while level:
            children = [child for each in level for child in self._children(each)]
            running += [child.id for child in children if not child.status.ended]
            level = [child for child in children if child.status.ended and child.id not in found]
            found |= {child.id: child for child in level}
        return list(found.values()), running

    def _replace_ended(self, ids: set[str]) -> None:
        """Make room for new instances of these ids."""
        for id_ in sorted(ids):
            present = self._instances.get(id_)
            if present is None:
                continue  # or it went with another one of them
            if not present.status.ended:
                raise Refused(f"The instance {id_!r} to be replaced has not ended.")
            self._remove_family(present)

    def _forget_chunks(self, parent: str, generation: int) -> None:
        """Delete the chunks of generations before those that are kept."""
        for one in tuple(self._instances.values()):
            old = one.chunk_of is not None and one.chunk_of < generation
            if one.parent_id == parent and old and one.status.ended and one.id in self._instances:
                self._remove_family(one)

    def _remove_family(self, instance: Instance) -> dict[str, int]:
        rows = Counter[str]()
        for each in self._family(instance)[0]:
            rows.update(self._remove(each))
        return dict(rows)

    def _remove(self, instance: Instance) -> dict[str, int]:
        """Delete an instance that has ended from every table; returns how many rows of each."""
        id_, execution, now = instance.id, instance.execution, self._clock.now()
        generations = [key for key in self._history if key[0] == id_]
        counts = {
            "instances": self._delete_all(self._instances, [id_]),
            "instance_tags": len(instance.tags),
            "history": sum(len(self._history[key]) for key in generations),
            "payloads": self._delete_where(self._payloads, lambda key, _: key[0] == id_),
            "timers": self._delete_where(self._timers, lambda key, _: key[0] == execution),
            "tasks": self._delete_where(self._tasks, lambda key, _: key[0] == execution),
            "subscriptions": self._delete_where(self._subscriptions, lambda key, _: key[0] == execution),
            "inbox": self._delete_where(
                self._inbox, lambda _, row: row[1].instance == id_ and (row[1].held or row[1].due > now)
            ),
            "heartbeats": self._delete_where(self._heartbeats, lambda key, _: key[0] == id_),
            "dead_letters": self._delete_where(self._dead_letters, lambda _, row: row.instance == id_),
        }
        self._delete_all(self._history, generations)
        return counts

    def _delete_where(self, table: dict[Any, Any], condition: Callable[[Any, Any], bool]) -> int:
        return self._delete_all(table, [key for key, row in table.items() if condition(key, row)])

    def _delete_all(self, table: dict[Any, Any], keys: Iterable[Any]) -> int:
        return sum([self._delete(table, key) for key in keys])


def _place(instance: Instance) -> tuple[int, str]:
    assert instance.ended_at is not None, "it has ended"
    return instance.ended_at, instance.id


def _matches(instance: Instance, query: EndedQuery) -> bool:
    return (
        instance.status.ended
        and instance.ended_at is not None
        and (not query.statuses or instance.status in query.statuses)
        and (query.name is None or instance.name == query.name)
        and all(instance.tags.get(tag) == value for tag, value in query.tags)
        and (query.created_from is None or instance.created_at >= query.created_from)
        and (query.created_to is None or instance.created_at <= query.created_to)
        and (query.ended_from is None or instance.ended_at >= query.ended_from)
        and (query.ended_before is None or instance.ended_at < query.ended_before)
    )
