"""A hub as a file, to be read into another database: every row of every table, as of one moment.

Who exports a hub closes it: from the transaction on that ends the file nobody works on it or writes to it,
for what goes on in two places is done twice. Three of its tables bear other names from then on, which stops
whoever had it open; whoever opens it is told.

The file is JSON a line: a header, then for each table its name and columns and its rows, and at the end how
many there were and the SHA-256 of everything before. A file that ends early is refused.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Boolean, ColumnElement, Select, Table, bindparam, delete, insert, select, text, tuple_

from perdure.engine.errors import Conflict, UserError
from perdure.engine.store import statements as s
from perdure.engine.store import tables as t
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.closing import CLOSE
from perdure.engine.store.migrations import HEAD
from perdure.engine.store.records import to_worker
from perdure.engine.store.rows import OUTSIDE, AuditEntry
from perdure.engine.store.transaction import Transaction

FORMAT = 1
PAGE = 1000
"""Rows that are read and written at once."""
NUMBERED = (t.inbox, t.dead_letters, t.audit)
"""Tables that number their rows: a number is not used again in the other database either."""
_LEFT_OUT = (t.workers,)
"""What belongs to the processes of a database, not to the hub."""
_TABLES = [table for table in t.METADATA.sorted_tables if table not in _LEFT_OUT]
_THERE_ANYWAY = (t.meta, t.slots)
"""What is in a hub that nobody has used."""
_FREED = {t.slots: ("owner",), t.tasks: ("worker", "silent_at")}
"""Columns that say which process has something, its id first: in the other database none has."""


def _key(table: Table) -> list[Any]:
    return list(table.primary_key.columns)


def _page(table: Table) -> Select[Any]:
    return select(table).order_by(*_key(table)).limit(PAGE)


def _later(table: Table) -> ColumnElement[bool]:
    after = [bindparam(f"after_{column.name}", type_=column.type) for column in _key(table)]
    return tuple_(*_key(table)) > tuple_(*after)


_FIRST = {table: _page(table) for table in _TABLES}
_NEXT = {table: _page(table).where(_later(table)) for table in _TABLES}
_INSERT = {table: insert(table) for table in _TABLES}
_EMPTY = {table: delete(table) for table in _THERE_ANYWAY}
_ANY = {table: select(*_key(table)).limit(1) for table in _TABLES if table not in _THERE_ANYWAY}
_CLOSE = [text(each) for each in CLOSE]
_META = select(t.meta.c.key, t.meta.c.value)


class SqlMoving(ABC):
    """What a store in an SQL database can do beyond the protocol: give away all it has, and take it."""

    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _surely_over(self, worker: str) -> bool: ...
    @abstractmethod
    def _alone(self, tx: Transaction) -> None:
        """Let nobody else write before the transaction ends, to any table."""

    @abstractmethod
    def _last_number(self, tx: Transaction, table: str) -> int:
        """The highest number that a row of the table has had."""

    @abstractmethod
    def _number_from(self, tx: Transaction, table: str, last: int) -> None:
        """Let the next row of the table have a higher number than this."""

    def export(
        self,
        write: Callable[[bytes], object],
        finish: Callable[[], object],
        audit: AuditEntry | None = None,
    ) -> dict[str, int]:
        """Write the hub, line by line, and close it; how many rows of each table there were.

        ``finish`` is called when all is written: when it returns, the file is on the disk. Only then is the
        hub closed; where anything fails before, it stays as it was. Raises ``Conflict`` while a worker is
        live.
        """
        digest, counts = hashlib.sha256(), dict[str, int]()
        with self._write() as tx:
            self._alone(tx)
            self._refuse_workers(tx)
            write_audit(tx, [audit])
            last = {str(table.name): self._last_number(tx, table.name) for table in NUMBERED}
            header = {"perdure_hub": FORMAT, "schema": HEAD, "at": tx.now, "last": last}
            for value in _lines(tx, header, counts):
                line = msgspec.json.encode(value) + b"\n"
                digest.update(line)
                write(line)
            write(msgspec.json.encode({"rows": counts, "sha256": digest.hexdigest()}) + b"\n")
            finish()
            for statement in _CLOSE:
                tx.run(statement)
        return counts

    def take_in(self, lines: Iterable[bytes], audit: AuditEntry | None = None) -> dict[str, int]:
        """Read what ``export`` wrote into this hub, all of it or nothing; how many rows of each table.

        Raises ``Conflict`` unless this is a hub that nobody has used, and ``UserError`` for what is no whole
        export of this release.
        """
        reader = _Reader(lines)
        with self._write() as tx:
            self._alone(tx)
            self._refuse_workers(tx)
            used = [table.name for table, statement in _ANY.items() if tx.row(statement)]
            if used:
                raise Conflict(
                    f"this hub has been used: there are {', '.join(used)}",
                    hint="import into a new file, or another schema",
                )
            time = int(dict(tx.rows(_META))["time"])
            for statement in _EMPTY.values():
                tx.run(statement)
            for table, rows in reader.tables():
                tx.tuples(_INSERT[table], rows)
            counts = reader.check_end()
            moved = int(dict(tx.rows(_META))["time"])
            tx.run(s.SET_TIME, value=str(max(time, moved, tx.now)))
            for table in NUMBERED:
                self._number_from(tx, table.name, reader.last[table.name])
            write_audit(tx, [audit])
        return counts

    def _refuse_workers(self, tx: Transaction) -> None:
        live = [
            each
            for each in map(to_worker, tx.rows(s.WORKERS))
            if each.state == "live" and each.lease_until > tx.now and not self._surely_over(each.id)
        ]
        if live:
            raise Conflict(
                f"{len(live)} live worker{'s work' if len(live) > 1 else ' works'} on this hub",
                hint="stop all servers and workers first; one that was killed is gone when its lease is over",
            )


def _lines(tx: Transaction, header: dict[str, Any], counts: dict[str, int]) -> Iterator[Any]:
    yield header
    for table in _TABLES:
        names = [str(column.name) for column in table.columns]
        yield {"table": str(table.name), "columns": names}
        flags = [index for index, column in enumerate(table.columns) if isinstance(column.type, Boolean)]
        freed = [names.index(name) for name in _FREED.get(table, ())]
        keys = [names.index(column.name) for column in _key(table)]
        counts[str(table.name)] = 0
        page = tx.rows(_FIRST[table])
        while page:
            for row in page:
                values = list(row)
                for index in flags:
                    values[index] = bool(values[index])
                # What is completed from outside no process has: it stays so.
                if freed and values[freed[0]] != OUTSIDE:
                    for index in freed:
                        values[index] = None
                yield values
            counts[str(table.name)] += len(page)
            after = {f"after_{names[index]}": page[-1][index] for index in keys}
            page = tx.rows(_NEXT[table], **after)


class _Reader:
    """The lines of a file, which is looked at from its begin to its end once."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._digest = hashlib.sha256()
        """Of all lines before the present one."""
        self._raw = b""
        self._line: Any = None
        self._number = 0
        self._counts: dict[str, int] = {}
        try:
            header = self._next()
        except UserError:
            header = None
        if not isinstance(header, dict) or header.get("perdure_hub") != FORMAT:
            raise UserError("the file is no hub that was exported")
        if header["schema"] != HEAD:
            raise UserError(
                f"the hub was exported with schema {header['schema']}, and this perdure writes {HEAD}",
                hint="export and import with the same version of perdure",
            )
        self.last: Mapping[str, int] = header["last"]

    def tables(self) -> Iterator[tuple[Table, list[tuple[Any, ...]]]]:
        """The tables, each with its rows, in pages."""
        self._next()
        while isinstance(self._line, dict) and "table" in self._line:
            table = t.METADATA.tables.get(self._line["table"])
            if table is None or [column.name for column in table.columns] != self._line["columns"]:
                raise self._broken()
            self._counts[str(table.name)] = 0
            rows = self._rows()
            while page := list(islice(rows, PAGE)):
                self._counts[str(table.name)] += len(page)
                yield table, page

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        while isinstance(line := self._next(), list):
            yield tuple(line)

    def check_end(self) -> dict[str, int]:
        """Raises ``UserError`` unless the file ends as it was written."""
        whole = {"rows": self._counts, "sha256": self._digest.hexdigest()}
        if self._line != whole or next(self._lines, None) is not None:
            raise self._broken()
        return self._counts

    def _next(self) -> Any:
        self._digest.update(self._raw)
        self._raw = next(self._lines, b"")
        self._number += 1
        try:
            self._line = msgspec.json.decode(self._raw)
        except msgspec.MsgspecError:
            raise self._broken() from None
        return self._line

    def _broken(self) -> UserError:
        return UserError(
            f"line {self._number} of the file is not what was written: it was cut off, or changed"
        )
