"""Calls of a store as data, so that a list of them can be repeated, printed and made shorter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from perdure.engine.store.protocol import (
    Access,
    Clients,
    Counting,
    Grooming,
    Membership,
    Schedules,
    Store,
    Tasks,
    Turns,
)
from perdure.engine.store.rows import AuditQuery, Purged, Takeover

_UNASKED = {"listen", "listening"}
"""What a store tells by itself, when it gets to know it: there is nothing to compare."""
METHODS = frozenset(
    name
    for protocol in (Access, Counting, Membership, Turns, Tasks, Clients, Grooming, Schedules, Store)
    for name in vars(protocol)
    if not name.startswith("_") and name not in _UNASKED
)
"""Every method that a store promises: each is a kind of operation."""

_REPEATABLE = frozenset({"start", "send", "reopen", "post", "redeliver", "discard", "answer"})
"""What answers None when it is carried out, and else what was carried out before."""
_SILENT = frozenset(
    "join rejoin leave calm release_slots set_queue use_api_key add_audit record give_back pin "
    "forget_request change_schedule changed close".split()
)
"""What is carried out unless it raises."""


class Nth(NamedTuple):
    """A number that a store has given: that of its ``table``'s row so far from the newest one.

    The numbers themselves are each store's own affair.
    """

    table: str
    place: int


class Call(NamedTuple):
    """A method with its arguments, through one of a store's connections.

    ``marks`` name what is special about it, and are counted too. Two methods are no store's: ``pass_time``
    and ``kill`` (the process of a worker is over).
    """

    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    connection: int = 0
    marks: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """What it counts as."""
        return [self.method, *(f"{self.method}: {mark}" for mark in self.marks)]


def outcome(call: Call, answer: object) -> str:
    """How it went: ``succeeded``, ``refused``, or ``nothing`` where there was nothing to answer or to do."""
    if isinstance(answer, Failure):
        return "refused"
    if call.method in _REPEATABLE:
        return "succeeded" if answer is None else "nothing"
    if call.method in _SILENT:
        return "succeeded"
    match answer:
        case Purged():
            some = bool(answer.rows)
        case Takeover():
            some = bool(answer.loaded)
        case msgspec.Struct():
            some = any(getattr(answer, name) for name in answer.__struct_fields__)
        case (first, found) if call.method == "publish":
            some = first is None and bool(found)
        case _:
            some = answer is not None and answer is not False and answer not in (0, [], {}, frozenset())
    return "succeeded" if some else "nothing"


class Failure(NamedTuple):
    """The exception that a call raised; of one that users see, its words too."""

    type: type[BaseException]
    words: str | None


def shown(call: Call) -> str:
    """The call as one would write it."""
    words = [_shown(each) for each in call.arguments]
    words += [f"{name}={_shown(value)}" for name, value in call.options.items()]
    return f"[{call.connection}] {call.method}({', '.join(words)})"


def _shown(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        defaults = defaults_of(value)
        fields = [
            f"{name}={_shown(given)}"
            for name in value.__struct_fields__
            if (given := getattr(value, name)) != defaults.get(name, ...)
        ]
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, Nth):
        return f"<the {value.table} {value.place} before the newest>"
    if isinstance(value, range) or not isinstance(value, list | tuple):
        return _text(value) if isinstance(value, str) else repr(value)
    inner = ", ".join(map(_shown, value))
    return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"


def defaults_of(value: msgspec.Struct) -> dict[str, Any]:
    """The defaults of those fields that have one."""
    return {
        field.name: field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(value)
        if not field.required
    }


def _text(text: str) -> str:
    """A text; of a long one the beginning."""
    return repr(str(text)) if len(text) < 80 else f"{text[:20]!r}... ({len(text)} characters)"


def resolved(value: Any, numbers: dict[str, list[int]]) -> Any:
    """The value with a store's own numbers where ``Nth`` stands; one that is not there is a number too."""
    if isinstance(value, Nth):
        known = numbers[value.table]
        return known[value.place] if value.place < len(known) else 10**6
    if isinstance(value, AuditQuery):
        return msgspec.structs.replace(value, before=resolved(value.before, numbers))
    return value
