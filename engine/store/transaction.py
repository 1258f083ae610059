"""One transaction on a driver's connection: Core statements in, plain rows out.

SQLAlchemy writes the SQL and nothing else: each statement is compiled once a dialect, and its text goes to
the driver with a tuple of parameters. That is what makes a commit of a thousand rows cost what the driver's
own ``executemany`` costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Protocol

from sqlalchemy import Dialect, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable

from perdure.engine.instance import SLOTS
from perdure.engine.store.statements import BySlot


class Cursor(Protocol):
    """What is used of a DBAPI cursor."""

    @property
    def rowcount(self) -> int: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Connection(Protocol):
    """What is used of a DBAPI connection (``sqlite3``'s and psycopg's have it)."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Any, /) -> Cursor: ...


class Compiled:
    """A statement's text in one dialect, and its parameters in order.

    A statement that ``expands`` has a list among them, whose length changes the text.
    """

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self._compiled = compiled
        self.text = str(compiled)
        self.parameters = tuple(compiled.positiontup or ())
        self._constants = dict(compiled.params)
        self.expands = bool(compiled.post_compile_params)

    def bind(self, parameters: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """Text and parameters of one execution."""
        values = {**self._constants, **parameters} if self._constants else parameters
        if not self.expands:
            return self.text, [values[name] for name in self.parameters]
        state = self._compiled.construct_expanded_state(dict(values))
        return state.statement, [state.parameters[name] for name in state.positiontup or ()]

    @cached_property
    def of_struct(self) -> Callable[[Any], tuple[Any, ...]]:
        """Makes the parameters of a record whose fields are named as they are."""
        if len(self.parameters) == 1:
            get = attrgetter(*self.parameters)
            return lambda row: (get(row),)
        return attrgetter(*self.parameters)

    @cached_property
    def of_mapping(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Makes the parameters of a mapping."""
        if len(self.parameters) == 1:
            get = itemgetter(*self.parameters)
            return lambda row: (get(row),)
        return itemgetter(*self.parameters)


class Compiler:
    """Compiles each statement at its first use, once for all connections of a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[Executable, Compiled] = {}

    def __call__(self, statement: Executable) -> Compiled:
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = Compiled(statement, self._dialect)
        return known

    def once(self, statement: Executable) -> Compiled:
        """Compile a statement that was built for one call; it is not kept."""
        return Compiled(statement, self._dialect)


class Transaction:
    """Runs statements on a connection that is inside a transaction.

    ``now`` is the store's time as of its begin. Bulk methods take rows, send nothing when there are
    none, and return how many rows of the table were hit.
    """

    def __init__(self, connection: Connection, compiler: Compiler, now: int) -> None:
        self._connection = connection
        self._compiler = compiler
        self.now = now

    def lock(self, name: str) -> None:
        """Wait until no other transaction holds the lock of this name, and hold it until the end.

        For what is decided by rows that others may insert. Nothing where writers take turns.
        """

    def try_lock(self, name: str) -> bool:
        """``lock`` without waiting: False if another transaction holds it."""
        return True

    def rows(self, statement: Executable, **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        text, values = self._compiler(statement).bind(parameters)
        return self._connection.execute(text, values).fetchall()

    def rows_each(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]]
    ) -> list[list[tuple[Any, ...]]]:
        """All rows of a SELECT for each of these parameters."""
        if not parameters:
            return []
        bind, execute = self._compiler(statement).bind, self._connection.execute
        return [execute(*bind(each)).fetchall() for each in parameters]

    def rows_of_slots(self, query: BySlot, slots: frozenset[int], **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT that lie in these slots; the usual case is all slots."""
        if len(slots) == SLOTS:
            return self.rows(query.all, **parameters)
        return self.rows(query.some, slots=sorted(slots), **parameters)

    def rows_once(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """All rows of a SELECT that was built for this call."""
        text, values = self._compiler.once(statement).bind({})
        return self._connection.execute(text, values).fetchall()

    def row(self, statement: Executable, **parameters: Any) -> tuple[Any, ...] | None:
        """The first row of a SELECT."""
        rows = self.rows(statement, **parameters)
        return rows[0] if rows else None

    def run(self, statement: Executable, **parameters: Any) -> int:
        """Run one INSERT, UPDATE or DELETE."""
        text, values = self._compiler(statement).bind(parameters)
        return self._connection.execute(text, values).rowcount

    def tuples(self, statement: Executable, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement for rows that are in the order of its parameters."""
        if not rows:
            return 0
        return self._connection.executemany(self._compiler(statement).text, rows).rowcount

    def structs(self, statement: Executable, rows: Sequence[Any]) -> int:
        """Run a statement for records whose fields are named as its parameters."""
        if not rows:
            return 0
        return self.tuples(statement, list(map(self._compiler(statement).of_struct, rows)))

    def mappings(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for mappings from the names of its parameters."""
        if not rows:
            return 0
        return self.tuples(statement, list(map(self._compiler(statement).of_mapping, rows)))
