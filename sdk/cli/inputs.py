"""Values given on the command line: ``-i KEY=VALUE``, ``--input``, ``--data``, ``--tag``, durations."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from perdure.cli.failures import USAGE, Stop
from perdure.engine.errors import UserError

MOST_BYTES = 1 << 20
"""Of a value as text; the engine takes no larger one."""


class _Invalid(ValueError):
    """JSON that is read by other programs in another way, or not at all."""


def parse_json(text: str, name: str) -> Any:
    """The value of a JSON text. Raises ``Stop``: duplicate keys, NaN and unpaired surrogates are refused."""
    try:
        value = _loads(text)
    except _Invalid as error:
        raise _refused(name, str(error)) from None
    except json.JSONDecodeError as error:
        message = f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise Stop(USAGE, "invalid_json", message, hint=_quote_hint(text)) from None
    return value


def read_value(text: str, name: str) -> Any:
    """The value of ``JSON``, ``@FILE`` or ``-`` (standard input). Raises ``Stop``."""
    if text == "-":
        return parse_json(_decoded(sys.stdin.buffer.read(MOST_BYTES + 1), name), name)
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise Stop(USAGE, "unreadable", f"{name}: cannot read {path}: {error.strerror}") from None
        return parse_json(_decoded(data, name), f"{name} ({path})")
    return parse_json(text, name)


def read_input(pairs: Sequence[str], document: str | None) -> Any:
    """The input of a start: ``--input``, with the fields of every ``-i`` put over it. Raises ``Stop``."""
    value = None if document is None else read_value(document, "--input")
    if not pairs:
        return value
    if not isinstance(value, dict | None):
        raise Stop(USAGE, "usage", "-i adds fields to an object, but --input is none")
    fields: dict[str, Any] = {}
    for pair in pairs:
        key, text = _pair(pair, "-i")
        if key in fields:
            raise Stop(USAGE, "usage", f"-i gives {key!r} twice")
        fields[key] = _json_or_text(text, f"-i {key}")
    return {**(value or {}), **fields}


_HOW = "give its fields with -i KEY=VALUE, or all of it with --input"
_TEXT = "what reads as JSON is JSON: text that looks like a number is given as -i KEY='\"3\"'"


@contextmanager
def explaining_input(wanted: Callable[[], Any]) -> Generator[None]:
    """An input that does not fit its schema is told with the options that give one.

    ``wanted`` returns the schema when no input was given at all; then that is what is wrong: raises ``Stop``.
    """
    try:
        yield
    except UserError as error:
        if error.code != "schema":
            raise
        schema = wanted()
        if schema is not None:
            needed = schema.get("required") if isinstance(schema, dict) else None
            what = ", ".join(needed) if needed else "one"
            message = f"no input was given; it needs {what}"
            raise Stop(USAGE, "schema", message, hint=_HOW) from None
        error.hint = error.hint or (_TEXT if str(error).endswith("is no string") else _HOW)
        raise


def read_tags(pairs: Sequence[str]) -> dict[str, str]:
    """Tags from ``KEY=VALUE``. Raises ``Stop``."""
    return dict(_pair(pair, "--tag") for pair in pairs)


class Whole(click.IntRange):
    """A whole number within bounds."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            message = f"{value!r} is not a whole number {_bounds(self.min, self.max)}"
            raise click.BadParameter(message, ctx, param) from error


def _bounds(least: float | None, most: float | None) -> str:
    return f"of at least {least}" if most is None else f"from {least} to {most}"


class Duration(click.ParamType[float]):
    """``30s``, ``1h30m`` or ISO 8601; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        from perdure.dsl.duration import parse_duration

        try:
            return parse_duration(str(value)) / 1_000_000
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def _pair(pair: str, option: str) -> tuple[str, str]:
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise Stop(USAGE, "usage", f"{option} wants KEY=VALUE, not {pair!r}")
    _check_text(pair, option)
    return key, text


def _json_or_text(text: str, name: str) -> Any:
    try:
        return _loads(text)
    except _Invalid as error:
        raise _refused(name, str(error)) from None
    except json.JSONDecodeError:
        return text


def _loads(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise _Invalid("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise _Invalid("a text has half a surrogate pair") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        # Python refuses to read integers of thousands of digits.
        raise _Invalid(str(error).partition(";")[0]) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise _Invalid(f"the key {twice!r} stands twice")
    return found


def _constant(text: str) -> Any:
    raise _Invalid(f"{text} is not JSON; write it as text in quotes if you mean the word")


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MOST_BYTES:
        raise Stop(USAGE, "too_large", f"{name} is larger than {MOST_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Stop(USAGE, "invalid_json", f"{name} is not UTF-8 text") from None


def _check_text(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused(name, "it is not UTF-8 text") from None


def _refused(name: str, why: str) -> Stop:
    return Stop(USAGE, "invalid_json", f"{name}: {why}")


def _quote_hint(text: str) -> str | None:
    if text[:1].isalpha():
        return "text is JSON only in quotes: '\"" + text[:20].replace('"', "") + "\"'; a file is @FILE"
    return None
