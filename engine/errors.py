"""The exceptions of the engine.

PerdureError
├── UserError                 the request is wrong; the text is safe to show
│   ├── NotFound              no such instance, definition, ...
│   ├── Conflict              it exists already, or its state forbids this
│   ├── Ended                 the instance has ended
│   └── OperationFailed       an entity's operation failed, and nothing of it was done
├── NonDeterminismError       a history and its Program do not agree
├── LimitExceeded             a bound of the engine was hit
├── Overloaded                more is asked than can be taken in: ask again a little later
└── StoreError                the database did not do it
    ├── FenceLost             this worker id is dead: drop everything, join under a new one
    ├── OutcomeUnknown        the connection broke in COMMIT: it may be applied, now or later
    ├── Busy                  try again: deadlock, serialization, lock, a short outage
    └── Refused               a row cannot be written, now or ever
        └── Unfit             a value that this database holds in no row
"""

from __future__ import annotations

import inspect
from typing import Any


class PerdureError(Exception):
    """Something went wrong in perdure."""

    code = "internal"

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))
        self.hint = hint


class UserError(PerdureError):
    """The request cannot be carried out."""

    code = "invalid"


class NotFound(UserError):
    """There is nothing of that name."""

    code = "not_found"


class Conflict(UserError):
    """It exists already, or its state does not allow this."""

    code = "conflict"


class Ended(UserError):
    """The instance has ended."""

    code = "ended"


class OperationFailed(UserError):
    """An operation of an entity failed, and nothing of it was done.

    ``error`` has ``type``, ``message`` and ``data``.
    """

    code = "operation_failed"

    def __init__(self, error: dict[str, Any]) -> None:
        kind, message = error["type"], error["message"]
        super().__init__(kind if message in {"", kind} else f"{kind}: {message}")
        self.error = error


class NonDeterminismError(PerdureError):
    """The history was written by another program than the one that is to continue it."""

    code = "non_determinism"


class LimitExceeded(PerdureError):
    """A limit was exceeded."""

    code = "limit"


class Overloaded(PerdureError):
    """More is asked than can be taken in now."""

    code = "overloaded"


class StoreError(PerdureError):
    """The database did not carry out a statement."""

    code = "store"


class FenceLost(StoreError):
    """This worker's id is no longer live."""

    code = "fence_lost"


class OutcomeUnknown(StoreError):
    """The connection was lost while committing."""

    code = "outcome_unknown"


class Busy(StoreError):
    """The database is busy; the same statements may succeed later."""

    code = "busy"


class Refused(StoreError):
    """The database refuses a row."""

    code = "refused"


class Unfit(Refused):
    """The database holds no such value: a text or a number that it cannot store, nor look for."""

    code = "unfit"
