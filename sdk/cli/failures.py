"""Errors as people and programs see them: one sentence, a hint, a code, and the exit code.

0 done, 1 done and the answer is no, 2 usage, 3 out of reach, 4 not found or conflict, 5 a bug of ours,
124 timed out, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from perdure.cli.settings import Settings, settings, version
from perdure.engine.errors import (
    Conflict,
    Ended,
    NotFound,
    OperationFailed,
    Overloaded,
    PerdureError,
    StoreError,
    UserError,
)

NO, USAGE, UNREACHABLE, CONFLICT, BUG, TIMEOUT, INTERRUPTED, TERMINATED = 1, 2, 3, 4, 5, 124, 130, 143


class Stop(Exception):
    """The command ends here, with this exit code. ``details`` is for programs."""

    def __init__(
        self, exit_code: int, code: str, message: str, *, hint: str | None = None, details: Any = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.hint = hint
        self.details = details


class ReaderGone(Exception):
    """Nobody reads stdout any more."""


class Terminated(BaseException):
    """SIGTERM arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An error ready to be told. ``text`` is what people see in place of the message."""

    exit_code: int
    code: str
    message: str
    hint: str | None = None
    details: Any = None
    text: str | None = None


def report(error: BaseException, words: Sequence[str]) -> int:
    """Tell the error, in the form that the command was asked for; returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BUG
    if isinstance(error, ReaderGone):
        _abandon_stdout()
        return 0
    told = _told(error)
    try:
        if _wants_json(words):
            from perdure.cli.console import write_json_error

            write_json_error(told.code, told.message, told.hint, told.details)
        sys.stderr.write(told.text or _sentences(told))
        sys.stderr.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    return told.exit_code


def _told(error: BaseException) -> Told:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return Told(exit_code=USAGE, code="usage", message="a command is missing", text=error.message)
        case click.UsageError():
            return _usage(error)
        case click.ClickException():
            return Told(exit_code=USAGE, code="usage", message=error.format_message())
        case KeyboardInterrupt() | click.Abort():
            return Told(exit_code=INTERRUPTED, code="interrupted", message="interrupted")
        case Terminated():
            return Told(exit_code=TERMINATED, code="terminated", message="ended by SIGTERM")
        case Stop(exit_code=code):
            return Told(
                exit_code=code, code=error.code, message=str(error), hint=error.hint, details=error.details
            )
        case PerdureError():
            return _engine(error)
        case _:
            return _bug(error)


def _usage(error: click.UsageError) -> Told:
    message = error.format_message()
    usage = hint = ""
    if error.ctx is not None:
        usage = error.ctx.get_usage() + "\n"
        hint = f"{error.ctx.command_path} --help"
    text = f"{usage}Error: {message}\n" + (f"Try '{hint}'.\n" if hint else "")
    return Told(exit_code=USAGE, code="usage", message=message, hint=hint or None, text=text)


def exit_code(error: PerdureError) -> int:
    """The exit code that an error of the engine stands for."""
    match error:
        case OperationFailed():
            return NO
        case NotFound() | Conflict() | Ended():
            return CONFLICT
        case UserError():
            return UNREACHABLE if error.code in {"unauthorized", "forbidden"} else USAGE
        case _:
            return (
                UNREACHABLE
                if isinstance(error, StoreError | Overloaded) or error.code == "unreachable"
                else BUG
            )


def _engine(error: PerdureError) -> Told:
    code = exit_code(error)
    if code == BUG and type(error) is not PerdureError:  # that one is of the server, which has the traceback
        return _bug(error)
    return Told(exit_code=code, code=error.code, message=str(error), hint=error.hint)


def _bug(error: BaseException) -> Told:
    """A mistake of ours: the traceback goes to a file, whose name is told."""
    where = _write_traceback(error)
    message = f"internal error in perdure {version()}: {type(error).__name__}"
    return Told(exit_code=BUG, code="internal", message=message, hint=f"the traceback is in {where}")


def _write_traceback(error: BaseException) -> str:
    lines = [f"perdure {version()}, Python {sys.version}\n", *traceback.format_exception(error)]
    try:
        handle, name = tempfile.mkstemp(prefix="perdure-", suffix=".traceback.txt", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError as problem:
        return f"no file: {problem}"
    return str(Path(name))


def _sentences(told: Told) -> str:
    return f"Error: {told.message}\n" + (f"  hint: {told.hint}\n" if told.hint else "")


def _wants_json(words: Sequence[str]) -> bool:
    """Also right when the arguments could not be parsed."""
    context = click.get_current_context(silent=True)
    said: Settings | None = settings(context) if context else None
    before_dashes = words[: words.index("--")] if "--" in words else words
    return "--json" in before_dashes or (said is not None and said.json)


def _abandon_stdout() -> None:
    """Nobody reads any more: what is left in the buffers must not complain at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
