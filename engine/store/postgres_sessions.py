"""Connections to PostgreSQL, and how a transaction begins and ends on one.

Nothing that counts is kept in a session: all settings are made in each transaction, so that a pooler may give
each of them another connection. They travel with BEGIN, as one message. Only the time limits of the network
belong to the connection, for it is the pooler's where there is one, and how statements are planned.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.numeric import Int8Dumper

from perdure.engine.errors import Busy, OutcomeUnknown, StoreError, UserError
from perdure.engine.store.postgres_errors import ERRORS, Lost, translated
from perdure.engine.store.urls import PostgresUrl

PLANNING = "SET enable_seqscan = off; SET jit = off"
"""Of a connection whose plans are kept: one made while a queue was empty must be good when it is long.

There is an index for every statement. To compile one takes longer than to run it.
"""
MICROSECONDS = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

_PARAMETER = re.compile(r'invalid URI query parameter: "\w+"')
_LAST_PORT = 65535
_FORM = "write postgresql://USER@HOST:PORT/DATABASE?schema=NAME, with parameters of libpq after it"


class Begun(NamedTuple):
    """What a transaction knows when it has begun: the database's time, and its own number if it writes."""

    time: int
    number: int | None


class Session:
    """One connection, for one transaction at a time. ``timeout`` is in seconds, ``patience`` too.

    No statement takes longer than ``patience``, and neither a lock nor the next statement of a transaction is
    waited for longer than ``timeout``: who stops in the middle does not stop others for ever. Nor does who is
    cut off there: both ends notice in about that time.
    """

    def __init__(self, url: PostgresUrl, *, timeout: float, patience: float) -> None:
        milliseconds = max(round(timeout * 1000), 1)
        self.timeout = timeout
        try:
            self.connection = _connect(url, timeout, PLANNING, prepare_threshold=None if url.pooled else 2)
        except ERRORS as error:
            raise _unreachable(error) from None
        self.connection.adapters.register_dumper(int, Int8Dumper)  # one type, so one plan a statement
        self.connection.add_notice_handler(self._noticed)
        self.cursor = self.connection.cursor()
        self._warned = False
        settings = (
            f"SET LOCAL lock_timeout = {milliseconds};"
            f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds};"
            f"SET LOCAL statement_timeout = {max(round(patience * 1000), 1)};"
        )
        path = f"SET LOCAL search_path TO {sql.Identifier(url.schema).as_string()}, pg_temp;"
        self._read = (
            f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings} {path} SELECT {MICROSECONDS}, NULL"
        )
        self._write = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {settings} {path} "
            f"SELECT {MICROSECONDS}, pg_current_xact_id()::text"
        )

    @property
    def usable(self) -> bool:
        """Whether another transaction may begin."""
        return (
            not self.connection.closed
            and self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        )

    def begin(self, *, write: bool) -> Begun:
        """Begin a transaction. Raises the driver's errors."""
        self._run(self._write if write else self._read)
        while self.cursor.nextset():
            pass
        ((time, number),) = self.cursor.fetchall()
        return Begun(int(time), None if number is None else int(number))

    def commit(self) -> None:
        """Raises ``OutcomeUnknown`` where it may be applied or not, and ``Busy`` where it is not."""
        self._warned = False
        try:
            self._run("COMMIT")
        except ERRORS as error:
            code = getattr(error, "sqlstate", None) or ""
            if code.startswith("40") and code != "40003":
                raise translated(error) from error
            self.close()
            raise OutcomeUnknown(f"The commit failed, but may be applied: {error}.") from error
        except BaseException:
            self.close()
            raise
        if self._warned:
            raise OutcomeUnknown("The commit is not known to be on the standby.")
        if self.cursor.statusmessage != "COMMIT":
            raise Busy("The transaction was undone.")

    def undo(self) -> None:
        """End the transaction without effect, whatever state it is in."""
        status = self.connection.info.transaction_status
        if status in {psycopg.pq.TransactionStatus.INTRANS, psycopg.pq.TransactionStatus.INERROR}:
            with suppress(*ERRORS):
                self._run("ROLLBACK")
        if not self.usable:
            self.close()

    def close(self) -> None:
        """Closing twice is closing."""
        with suppress(*ERRORS):
            self.connection.close()

    def _run(self, text: str) -> None:
        self.cursor.execute(text.encode(), prepare=False)

    def _noticed(self, notice: Any) -> None:
        """A COMMIT that has not waited for the standby to the end says so in a warning, without a code."""
        self._warned = self._warned or notice.severity_nonlocalized == "WARNING"


class Pool:
    """Sessions that are used by turns; no more than ``most`` of them at once."""

    def __init__(self, connect: Callable[[], Session], most: int) -> None:
        self._connect = connect
        self._places = threading.BoundedSemaphore(most)
        self._idle: list[Session] = []
        self._closed = False

    @contextmanager
    def begun(self, *, write: bool) -> Iterator[tuple[Session, Begun]]:
        """A session with a transaction that has begun; whoever gets it ends it."""
        with self._places:
            session, begun = self._begin(write=write)
            try:
                yield session, begun
            finally:
                self.give_back(session)

    def give_back(self, session: Session) -> None:
        """Keep a session for the next one who needs it, if that can be done."""
        if session.usable and not self._closed:
            self._idle.append(session)
        else:
            session.close()

    def _begin(self, *, write: bool) -> tuple[Session, Begun]:
        """One that has lain idle may be broken, and with it all others: then a new one."""
        while True:
            try:
                session, fresh = self._idle.pop(), False
            except IndexError:
                session, fresh = self._connect(), True
            try:
                return session, session.begin(write=write)
            except ERRORS as error:
                session.close()
                if fresh or not isinstance(translated(error), Lost):
                    raise
            except BaseException:
                session.close()
                raise

    def close(self) -> None:
        """Close those that are idle now, and the others when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


def direct(url: PostgresUrl, timeout: float) -> psycopg.Connection[Any]:
    """A connection to the database itself, to listen on. Raises the driver's errors."""
    host, port = url.direct or ("", "")
    return _connect(url, timeout, **{key: value for key, value in (("host", host), ("port", port)) if value})


def _connect(url: PostgresUrl, timeout: float, settings: str = "", **more: Any) -> psycopg.Connection[Any]:
    """A connection with these settings, where it is not a pooler's: none is left behind when they fail.

    A server that is cut off is noticed after ``timeout`` seconds or so, and so are we by the server.

    In the middle of a message, or of several that are sent at once, no time limit of a statement or a
    transaction counts for it: it would wait for the rest with all its locks, by default for two hours.
    """
    third, milliseconds = max(round(timeout / 3), 1), max(round(timeout * 1000), 1)
    network: dict[str, Any] = {
        "application_name": "perdure",
        "connect_timeout": max(round(timeout), 2),
        "keepalives_idle": third,
        "keepalives_interval": third,
        "keepalives_count": 2,
        "tcp_user_timeout": milliseconds,
    }
    given = _read(url)
    network = {name: value for name, value in network.items() if name not in given}
    connection = psycopg.connect(url.conninfo, autocommit=True, **network, **more)
    try:
        if not url.pooled:
            limits = (
                f"SET tcp_keepalives_idle = {third}; SET tcp_keepalives_interval = {third};"
                f"SET tcp_keepalives_count = 2; SET tcp_user_timeout = {milliseconds}; {settings}"
            )
            connection.execute(limits.encode())
    except BaseException:
        connection.close()
        raise
    return connection


def _read(url: PostgresUrl) -> dict[str, Any]:
    """The parameters of a URL. Raises ``UserError`` for one that no server could be reached by."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(url.conninfo)
    except psycopg.ProgrammingError as error:
        # The driver may quote a password after the colon, but for the name of a parameter.
        named = _PARAMETER.match(str(error))
        said = named[0] if named else re.split('[:"]', str(error))[0].strip()
        raise UserError(f"The URL of the database cannot be read: {said}", hint=_FORM) from None
    for port in str(given.get("port") or "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _LAST_PORT):
            raise UserError("The URL of the database has a port that is no number up to 65535.", hint=_FORM)
    return given


def _unreachable(error: Exception) -> StoreError:
    """What a failure to connect says; the driver leaves the password out of it."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    known = Lost if getattr(error, "sqlstate", None) in {None, "57P03", "53300"} else StoreError
    return known(f"The database cannot be reached: {lines[0] if lines else error}")
