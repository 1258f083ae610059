"""JSON text, hashes and encodings, and the functions of optionals."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from perdure.compiler.runtime.convert import encoded
from perdure.compiler.runtime.errors import Budget, EvalError, charge, made_text
from perdure.compiler.runtime.results import marshalled
from perdure.compiler.runtime.values import NONE, Optional, no_overload
from perdure.dsl.expr.times import Duration


def marshal(budget: Budget, value: Any) -> str:
    """``json.marshal(value)``: compact, with sorted keys."""
    text = marshalled(budget, value)
    made_text(budget, len(text))
    return text


def unmarshal(budget: Budget, text: Any) -> Any:
    """``json.unmarshal(text)``."""
    if type(text) is not str:
        no_overload("json.unmarshal", text)
    made_text(budget, len(text))
    try:
        return msgspec.json.decode(encoded(text))
    except msgspec.DecodeError as error:
        raise EvalError("cel.convert", f"not JSON text: {error}") from None


def sha256(budget: Budget, value: Any) -> bytes:
    """``hash.sha256(value)`` of bytes, or of text in UTF-8."""
    if type(value) is str:
        value = encoded(value)
    if type(value) is not bytes:
        no_overload("hash.sha256", value)
    charge(budget, len(value) // 64 + 1)
    return hashlib.sha256(value).digest()


def _need_bytes(name: str, value: Any) -> bytes:
    if type(value) is not bytes:
        no_overload(name, value, hint="write bytes(...) around text" if type(value) is str else None)
    return value


def base64_encode(budget: Budget, value: Any) -> str:
    """``base64.encode(bytes)``."""
    made_text(budget, len(_need_bytes("base64.encode", value)) * 4 // 3 + 4)
    return base64.b64encode(value).decode()


def base64_decode(budget: Budget, text: Any) -> bytes:
    """``base64.decode(text)``, with or without the padding."""
    if type(text) is not str:
        no_overload("base64.decode", text)
    made_text(budget, len(text))
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except ValueError:
        raise EvalError("cel.convert", "not base64 text") from None


def hex_encode(budget: Budget, value: Any) -> str:
    """``hex.encode(bytes)``, in lower case."""
    made_text(budget, 2 * len(_need_bytes("hex.encode", value)))
    return value.hex()  # type: ignore[no-any-return]


def hex_decode(budget: Budget, text: Any) -> bytes:
    """``hex.decode(text)``."""
    if type(text) is not str:
        no_overload("hex.decode", text)
    made_text(budget, len(text))
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise EvalError("cel.convert", "not hexadecimal text") from None


def some(budget: Budget, value: Any) -> Optional:
    """``optional.of(value)``."""
    return Optional(True, value)


def some_non_zero(budget: Budget, value: Any) -> Optional:
    """``optional.ofNonZeroValue(value)``: nothing for null, false, 0, and what is empty."""
    match value:
        case None | Optional(present=False):
            return NONE
        case bool() | int() | float() | str() | bytes() | list() | dict():
            return Optional(True, value) if value else NONE
        case Duration():
            return Optional(True, value) if value.ns else NONE
        case _:
            return Optional(True, value)


def none(budget: Budget) -> Optional:
    """``optional.none()``."""
    return NONE


def optional_of(value: Any, name: str) -> Optional:
    """``value`` if it is an optional; raises EvalError."""
    if type(value) is not Optional:
        no_overload(name, value, hint="this takes an optional, as .?field gives")
    return value


def unwrap(budget: Budget, items: Any) -> list[Any]:
    """``optional.unwrap(list)`` and ``list.unwrapOpt()``: the values of those that have one."""
    if type(items) is not list:
        no_overload("unwrapOpt", items)
    charge(budget, len(items))
    return [item.value for item in items if optional_of(item, "unwrapOpt").present]


def has_value(budget: Budget, value: Any) -> bool:
    """``optional.hasValue()``."""
    return optional_of(value, "hasValue").present


def value_of(budget: Budget, value: Any) -> Any:
    """``optional.value()``."""
    if not optional_of(value, "value").present:
        raise EvalError("cel.no_such_key", "the optional has no value", "write .orValue(...)")
    return value.value


def or_(budget: Budget, value: Any, other: Any) -> Optional:
    """``optional.or(optional)``."""
    first, second = optional_of(value, "or"), optional_of(other, "or")
    return first if first.present else second


def or_value(budget: Budget, value: Any, other: Any) -> Any:
    """``optional.orValue(value)``."""
    return value.value if optional_of(value, "orValue").present else other


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "base64.decode": base64_decode,
    "base64.encode": base64_encode,
    "hash.sha256": sha256,
    "hex.decode": hex_decode,
    "hex.encode": hex_encode,
    "json.marshal": marshal,
    "json.unmarshal": unmarshal,
    "optional.none": none,
    "optional.of": some,
    "optional.ofNonZeroValue": some_non_zero,
    "optional.unwrap": unwrap,
}
METHODS: dict[str, Callable[..., Any]] = {
    "hasValue": has_value,
    "or": or_,
    "orValue": or_value,
    "unwrapOpt": unwrap,
    "value": value_of,
}
