"""From a Python exception in generated code to an EvalError at its place in the file."""

from __future__ import annotations

import heapq
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from perdure.compiler.runtime.errors import Budget, EvalError, LimitError, charge
from perdure.compiler.runtime.values import a_type
from perdure.dsl.expr.suggest import did_you_mean
from perdure.dsl.source import Mark, TextMap

FILE_NAME = "<expression>"
_MOST_NAMES = 10
_MOST_CANDIDATES = 500
_ABSORBED = 50
"""Units that an absorbed error costs at least."""


class Line(NamedTuple):
    """What a statement of generated code stands for.

    ``at`` is an offset in the expression that ``marks`` map to the file. A selection has the variable it
    starts from, how the author wrote that, and the fields with their offsets; a root has its name.
    """

    at: int
    marks: tuple[tuple[int, int, int], ...]
    base: str = ""
    of: str = ""
    chain: tuple[tuple[str, int], ...] = ()
    root: str = ""


def located(error: Exception) -> EvalError:
    """``error`` as an EvalError with its position: that of the innermost generated statement."""
    if isinstance(error, EvalError) and error.position is not None:
        return error
    frame, line = _statement(error)
    result, at = _explain(error, frame, line)
    if line is not None and line.marks:
        line_number, column = TextMap(Mark(*mark) for mark in line.marks).position(at)
        result.position = (line_number, column)
        result.cost += len(line.marks) // 8
    return result


def absorb(budget: Budget | None, error: Exception, earlier: EvalError | None) -> EvalError:
    """The error to keep when ``&&`` or ``||`` goes on after one; limits are raised again.

    Explaining an error takes time, so inside of a loop it is charged to ``budget``.
    """
    result = located(error)
    if isinstance(result, LimitError):
        raise result from None
    if budget is not None:
        charge(budget, _ABSORBED + result.cost)
    return earlier or result


def _statement(error: Exception) -> tuple[FrameType | None, Line | None]:
    frame, line = None, None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE_NAME:
            found = traceback.tb_frame.f_globals["LINES"][traceback.tb_lineno]
            if found is not None:
                frame, line = traceback.tb_frame, found
        traceback = traceback.tb_next
    return frame, line


def _explain(error: Exception, frame: FrameType | None, line: Line | None) -> tuple[EvalError, int]:
    at = line.at if line is not None else 0
    if isinstance(error, EvalError):
        return error, at
    if isinstance(error, RecursionError):
        return LimitError("a value nests too deep"), at
    if isinstance(error, MemoryError):
        return LimitError("the evaluation takes too much memory"), at
    if isinstance(error, UnicodeError):
        return EvalError("cel.convert", "the text has a lone surrogate, which is no character"), at
    if line is not None and frame is not None and line.chain:
        names = frame.f_locals if line.base in frame.f_locals else frame.f_globals
        return _failed_selection(names[line.base], line)
    if line is not None and line.root:
        return EvalError("cel.unknown_name", f"{line.root} has no value here"), at
    return EvalError(
        "cel.internal", f"the evaluation failed with {type(error).__name__}; this is a defect"
    ), at


def _failed_selection(value: Any, line: Line) -> tuple[EvalError, int]:
    """Walk the selection again, to the step that fails: inputs are never changed."""
    path = line.of
    for field, at in line.chain:
        try:
            value = value[field]
        except EvalError as error:
            return error, at
        except (KeyError, TypeError):
            return _no_field(value, field, path), at
        path = f"{path}.{field}" if path else field
    return EvalError("cel.internal", "a selection failed only once; this is a defect"), line.at


def _no_field(value: Any, field: str, path: str) -> EvalError:
    owner = f" in {path}" if path else ""
    if not isinstance(value, dict):
        hint = "test for null first, or write .?name" if value is None else None
        return EvalError("cel.no_overload", f"cannot select '{field}'{owner}: it is {a_type(value)}", hint)
    names = heapq.nsmallest(_MOST_CANDIDATES, (key for key in value if isinstance(key, str)))

    def way_out() -> str:
        near = did_you_mean(field, names)
        start = f"did you mean '{near}'? otherwise " if near else ""
        return f"{start}write .?{field} for an optional, or test with has()"

    error = EvalError("cel.no_such_field", f"no such field '{field}'{owner} (has: {_listed(names)})", way_out)
    error.cost = len(value)
    return error


def _listed(names: list[str]) -> str:
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) + more) or "nothing"


def unknown_name(name: str) -> NoReturn:
    """Raise for a root that the position does not have."""
    raise EvalError("cel.unknown_name", f"unknown name '{name}'")


def unknown_function(name: str) -> NoReturn:
    """Raise for a call that the checker refuses."""
    raise EvalError("cel.unknown_function", f"no function '{name}' with these arguments")


def no_secret() -> NoReturn:
    """Raise for ``secret(name)``."""
    raise EvalError("cel.secret", "a secret is put in by the worker, never computed")
