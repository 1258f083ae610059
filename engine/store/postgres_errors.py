"""What the driver of PostgreSQL raises, as the engine's exceptions."""

from __future__ import annotations

import psycopg

from perdure.engine.errors import Busy, Refused, StoreError, Unfit
from perdure.engine.store.races import Duplicate, Raced


class Lost(Raced):
    """The connection to the database was lost before anything was committed."""


_DUPLICATE = "23505"
_RACED = {"40001", "40P01"}
_KINDS: tuple[tuple[str, type[StoreError], str], ...] = (
    ("22", Unfit, "The database refuses a value"),
    ("23", Refused, "The database refuses a row"),
    ("54", Unfit, "A value is too big for the database"),
    ("55P03", Busy, "Another transaction holds a row for long"),
    ("57014", Busy, "The database took too long"),
    ("57P", Lost, "The database goes away"),
    ("53", Busy, "The database has no room"),
    ("08", Lost, "The connection to the database was lost"),
    ("25P03", Lost, "The database has closed a transaction that was idle"),
    ("25006", Lost, "The database takes no writes now"),
)
"""By the beginning of the error's code, which is PostgreSQL's."""

ERRORS = (psycopg.Error, UnicodeEncodeError, OverflowError)
"""What the driver may raise."""


def translated(error: Exception) -> StoreError:
    """The exception for an error before COMMIT."""
    if isinstance(error, UnicodeEncodeError):
        return Unfit("A text is not valid Unicode: it has half of a surrogate pair.")
    if isinstance(error, OverflowError):
        return Unfit("A number does not fit into 64 bits.")
    code = getattr(error, "sqlstate", None)
    if code is None:
        # The driver's own: a text with U+0000, or a socket that is gone.
        if isinstance(error, psycopg.DataError):
            return Unfit(f"The database refuses a value: {error}.")
        return Lost(f"The connection to the database was lost: {_sentence(error)}.")
    if code == _DUPLICATE:
        return Duplicate(f"The database refuses a row: {_sentence(error)}.")
    if code in _RACED:
        return Raced(f"Another transaction was in the way: {_sentence(error)}.")
    for prefix, kind, sentence in _KINDS:
        if code.startswith(prefix):
            return kind(f"{sentence}: {_sentence(error)}.")
    return StoreError(f"The database did not do it: {_sentence(error)} ({code}).")


def _sentence(error: Exception) -> str:
    """The first line: what follows may have values of rows in it."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
