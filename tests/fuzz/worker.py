"""Examine mutated inputs one after the other, with a limit on the time and memory of each.

An input that takes longer is interrupted and reported. Should an interrupt not reach Python, the process
ends itself with a traceback, and the number of the input is in the progress file.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import mmap
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from perdure.engine import clock

SECONDS = 1.0
MEBIBYTES = 256
_HANGS_AFTER = 60.0
_WATCHED_EVERY = 10.0
"""Seconds after which the watch begins again: it is a thread, and one for every input takes too long."""
_ADDRESSES = 2 << 30
"""What the process may map at most, so that no input takes the machine with it."""


class Inputs(NamedTuple):
    """A kind of input: how one is made from a seed and its number, shown, and examined."""

    make: Callable[[int, int], Any]
    show: Callable[[Any], str]
    examine: Callable[[Any], str | None]


class _TooLong(BaseException):
    """No handler of errors may take this for one."""


def inputs(kind: str) -> Inputs:
    """The inputs of a kind, one of ``campaign.KINDS``."""
    match kind:
        case "documents":
            from tests.fuzz import documents

            return Inputs(documents.document, repr, documents.examine)
        case "expressions":
            from tests.fuzz import expressions

            return Inputs(expressions.case, lambda case: repr((case.text, case.result)), expressions.examine)
        case "stored":
            from tests.fuzz import stored

            return Inputs(stored.stored, repr, stored.examine)
        case "words":
            from tests.fuzz import words

            return Inputs(words.word, repr, words.examine)
        case _:
            from tests.fuzz import requests

            return Inputs(requests.call, repr, requests.examine)


def main(arguments: list[str]) -> int:
    """Examine ``kind seed first count``; progress goes to the file named last, the report to stdout."""
    kind, seed, first, count, progress = arguments
    logging.disable()  # a server says a lot about requests like these
    made = inputs(kind)
    signal.signal(signal.SIGVTALRM, _interrupt)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    findings: list[dict[str, Any]] = []
    slowest = (0.0, -1)
    watched = float("-inf")
    with Path(progress).open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
        for number in range(int(first), int(first) + int(count)):
            memory[:8] = number.to_bytes(8, "big")
            given = made.make(int(seed), number)
            before = _peak()
            if clock.monotonic() - watched >= _WATCHED_EVERY:
                watched = clock.monotonic()
                faulthandler.dump_traceback_later(_WATCHED_EVERY + _HANGS_AFTER, exit=True)
            problem, taken = _examined(made.examine, given)
            slowest = max(slowest, (taken, number))
            if problem is None and before <= MEBIBYTES < _peak():
                problem = f"the memory of the process grew from {before} to {_peak()} MiB"
            if problem is not None:
                findings.append({"number": number, "problem": problem, "input": made.show(given)})
    report = {"findings": findings, "slowest": slowest, "peak_mib": _peak()}
    print(json.dumps(report), flush=True)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def _peak() -> int:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _examined(examine: Callable[[Any], str | None], given: Any) -> tuple[str | None, float]:
    """What is wrong, and the seconds of CPU that it took."""
    start = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)
    try:
        problem = examine(given)
    except _TooLong:
        problem = "it was interrupted"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        problem = f"{type(error).__name__} escaped: {error}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    taken = time.process_time() - start
    if taken > SECONDS:
        problem = f"it took {taken:.1f} s of CPU ({problem or 'and was right'})"
    return problem, taken


if __name__ == "__main__":
    # Threads of a server that was asked may wait for more for ever: nobody asks it any more.
    os._exit(main(sys.argv[1:]))
