"""Regular expressions in RE2 syntax, matched in linear time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

MAX_PATTERN = 1000
_MAX_PROGRAM_BYTES = 1 << 20


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; raises ValueError for bad syntax or a pattern over the limits.

    There is no fallback to ``re``: its syntax and results differ, and it can take exponential time.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN} are allowed")
    try:
        import re2  # noqa: PLC0415 - where there is no wheel, only regular expressions fail
    except ImportError:
        raise ValueError(
            "regular expressions need the package google-re2, which is not installed here"
        ) from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PROGRAM_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else "bad syntax"
        raise ValueError(detail.decode() if isinstance(detail, bytes) else str(detail)) from None
