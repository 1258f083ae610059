"""Make a list of calls that shows a difference shorter, and what stands in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tests.differential.calls import Call, defaults_of

_SECONDS = 20.0
"""Of CPU that are spent on it at most."""

Shows = Callable[[list[Call]], bool]


def shortened(calls: list[Call], shows: Shows) -> list[Call]:
    """Fewer and simpler calls that still show a difference."""
    until = time.process_time() + _SECONDS

    def in_time(some: list[Call]) -> bool:
        return time.process_time() < until and shows(some)

    return _fewer(_simpler(_fewer(calls, in_time), in_time), in_time)


def _fewer(calls: list[Call], shows: Shows) -> list[Call]:
    """Stretches are left out, long ones first."""
    size = len(calls)
    while size >= 1:
        at = max(len(calls) - size, 0)
        while at >= 0:
            rest = calls[:at] + calls[at + size :]
            if rest and shows(rest):
                calls = rest
            at -= size
        size //= 2
    return calls


def _simpler(calls: list[Call], shows: Shows) -> list[Call]:
    """One argument, or one field of one, is made simpler at a time."""
    again = True
    while again:
        again = False
        for at, call in enumerate(calls):
            for arguments in _simpler_values(call.arguments):
                rest = [*calls[:at], call._replace(arguments=arguments), *calls[at + 1 :]]
                if shows(rest):
                    calls, again = rest, True
                    break
    return calls


def _simpler_values(value: Any) -> Iterator[Any]:
    """The value with one thing in it left out or as it is by default."""
    match value:
        case msgspec.Struct():
            yield from _simpler_struct(value)
        case list() | tuple() if not hasattr(value, "_fields"):
            for at, item in enumerate(value):
                if isinstance(item, msgspec.Struct) and not isinstance(value, tuple):
                    yield type(value)([*value[:at], *value[at + 1 :]])
                for simpler in _simpler_values(item):
                    yield type(value)([*value[:at], simpler, *value[at + 1 :]])
        case _:
            return


def _simpler_struct(value: msgspec.Struct) -> Iterator[Any]:
    defaults = defaults_of(value)
    for name in value.__struct_fields__:
        present = getattr(value, name)
        if name in defaults and present != defaults[name]:
            yield msgspec.structs.replace(value, **{name: defaults[name]})
        if isinstance(present, tuple) and len(present) > 1 and len(set(map(type, present))) == 1:
            for at in range(len(present)):
                yield msgspec.structs.replace(value, **{name: (*present[:at], *present[at + 1 :])})
        for simpler in _simpler_values(present):
            yield msgspec.structs.replace(value, **{name: simpler})
