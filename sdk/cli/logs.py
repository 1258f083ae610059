"""What the engine and workflows log, as lines on stderr."""

from __future__ import annotations

import logging
import sys


class _Lines(logging.Handler):
    """One line a record, to whatever stderr is at the time; a traceback is never printed."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        more = f": {type(error).__name__}: {error}" if error is not None else ""
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}{more}\n")
        sys.stderr.flush()


def log_to_stderr(*, quiet: bool) -> None:
    """Show warnings of the engine, and what workflows log; only errors when it is to be quiet."""
    engine = logging.getLogger("perdure")
    engine.handlers = [_Lines()]
    engine.propagate = False
    engine.setLevel(logging.ERROR if quiet else logging.WARNING)
    logging.getLogger("perdure.workflow").setLevel(logging.ERROR if quiet else logging.INFO)
