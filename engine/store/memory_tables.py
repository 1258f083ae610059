"""The tables of a hub in memory, and their transactions, which undo in reverse what a guard refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from perdure.engine.errors import FenceLost, Refused, StoreError, Unfit
from perdure.engine.ids import new_id
from perdure.engine.instance import SLOTS, Instance
from perdure.engine.store.clock import StoreClock
from perdure.engine.store.rows import (
    ApiKey,
    AuditEntry,
    DeadLetter,
    Definition,
    EntityRow,
    HistoryRow,
    Key,
    Message,
    PayloadRow,
    QueueRow,
    Request,
    ScheduleRow,
    SubscriptionRow,
    TaskRow,
    TimerRow,
    Worker,
)

_replace = msgspec.structs.replace
_MISSING: Any = object()


class _Reading:
    """What every call of a store is inside of: a generator would take longer than most of them do."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.closed = False

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.closed:
            self._lock.release()
            raise StoreError("The store is closed.")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class MemoryTables:
    """What the parts of the model share. ``clock`` gives microseconds since 1970 UTC."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self._clock = StoreClock(clock)
        self._lock = threading.RLock()
        self._reading = _Reading(self._lock)
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._ord = 0
        self._changed = False
        self._killed: set[str] = set()
        self._workers: dict[str, Worker] = {}
        self._slots: dict[int, str | None] = dict.fromkeys(range(SLOTS))
        self._crashes: dict[int, int] = dict.fromkeys(range(SLOTS), 0)
        self._instances: dict[str, Instance] = {}
        self._payloads: dict[tuple[str, str], PayloadRow] = {}
        self._history: dict[tuple[str, int], dict[int, HistoryRow]] = {}
        self._inbox: dict[str, tuple[int, Message]] = {}
        self._timers: dict[Key, TimerRow] = {}
        self._tasks: dict[Key, TaskRow] = {}
        self._queues: dict[str, QueueRow] = {}
        self._requests: dict[tuple[str, str, str], Request] = {}
        self._requests_at: dict[tuple[str, str, str], int] = {}
        self._definitions: dict[tuple[str, str], Definition] = {}
        self._programs: dict[str, str] = {}
        self._audit: dict[int, AuditEntry] = {}
        self._entities: dict[str, EntityRow] = {}
        self._dead_letters: dict[int, DeadLetter] = {}
        self._numbers = {"ord": 0}
        self._schedules: dict[str, ScheduleRow] = {}
        self._heartbeats: dict[tuple[str, str, str], str] = {}
        self._token_key = new_id()
        self._api_keys: dict[str, ApiKey] = {}
        self._subscriptions: dict[tuple[str, int], SubscriptionRow] = {}

    def _read(self) -> _Reading:
        return self._reading

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._read():
            try:
                yield
            except BaseException:
                for table, key, value in reversed(self._undo):
                    if value is _MISSING:
                        del table[key]
                    else:
                        table[key] = value
                self._undo.clear()
                raise
            self._changed = self._changed or bool(self._undo)
            self._undo.clear()

    @contextmanager
    def _fenced(self, worker: str, lease: int | None = None) -> Iterator[int]:
        with self._write():
            member = self._workers.get(worker)
            if member is None or member.state != "live":
                raise FenceLost(f"The worker {worker!r} is not a live member of the hub.")
            now = self._clock.now()
            if lease is not None:
                self._put(self._workers, worker, _replace(member, lease_until=now + lease))
            yield now

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        _check(key)
        _check(value)
        self._undo.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def _insert(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            raise Refused(f"There is a row {key!r} already.")
        self._put(table, key, value)

    def _delete(self, table: dict[Any, Any], key: Any) -> bool:
        if key not in table:
            return False
        self._undo.append((table, key, table.pop(key)))
        return True

    def _next_ord(self) -> int:
        self._ord += 1
        return self._ord

    def time(self) -> int:
        return self._clock.now()

    def _remember(self, request: Request, now: int) -> None:
        key = (request.route, request.target, request.key)
        self._insert(self._requests, key, request)
        self._put(self._requests_at, key, now)

    def _carried_out(self, request: Request | None) -> Request | None:
        """The request under this key, if there is one; else the given one is written."""
        if request is None:
            return None
        key = (request.route, request.target, request.key)
        if key not in self._requests:
            self._remember(request, self._clock.now())
            return None
        return self._requests[key]

    def _note(self, entry: AuditEntry | None, now: int) -> None:
        """An entry of the audit, if there is one; numbered on its own, as every table is."""
        if entry is not None:
            ord_ = len(self._audit) + 1
            self._put(self._audit, ord_, _replace(entry, at=now, ord=ord_))


def _check(value: Any) -> None:
    """Refuse what no database takes. Raises ``Unfit``."""
    match value:
        case None:
            pass
        case str():
            try:
                value.isascii() or value.encode()
            except UnicodeEncodeError as error:
                raise Unfit("A text is not valid Unicode: it has half of a surrogate pair.") from error
        case int():
            if not -(2**63) <= value < 2**63:
                raise Unfit("A number does not fit into 64 bits.")
        case msgspec.Struct():
            for name in value.__struct_fields__:
                _check(getattr(value, name))
        case tuple() | list():
            for item in value:
                _check(item)
        case dict():
            for item in value.items():
                _check(item)
        case _:
            raise AssertionError(value)
