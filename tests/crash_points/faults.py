"""What can go wrong at one call of the store, and who decides when.

The calls of a run are numbered over all processes. The same plan makes the same run, so the calls before
its number are those of the run without faults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from perdure.engine.errors import StoreError

Kind = Literal["fail_before", "no_answer", "fail_after", "crash_before", "crash_after", "tear", "break"]

READS: tuple[Kind, ...] = ("fail_before", "crash_before")
"""What a call that only reads may suffer."""
WRITES: tuple[Kind, ...] = (*READS, "no_answer", "fail_after", "crash_after")
"""What one that writes may suffer, beside ``tear`` and ``break`` for each of its statements but the first."""
DEADLY: frozenset[Kind] = frozenset(["crash_before", "crash_after", "tear"])
MOST_CUTS = 40
"""Statements of a transaction from which on not every one is a point: rows of the reference model."""
LASTING_FAILURES = 12
"""Calls that fail one after the other when a failure lasts: longer than a lease, as processes back off."""
LASTING_DEATHS = 3
"""Processes that die at the same method one after the other when a crash lasts."""

WRITING = frozenset(
    "join rejoin leave take_over take_slots calm begin_turn commit claim beat fail_silent hand_over answer"
    " set_queue record give_back deploy activate retire pin start send reopen post forget_request publish"
    " redeliver discard purge purge_ended groom forget_requests change_schedule".split()
)
"""Methods that write, so that the outcome may be unknown."""
QUIET = frozenset(
    "take_over take_slots calm begin_turn commit claim fail_silent beat groom forget_requests".split()
)
"""Those of which ``changed`` tells only others."""
FREE = frozenset(["time", "changed", "close"])
"""What is answered without the database, or never fails."""


class Crashed(BaseException):
    """The process is over. Nothing in it catches this."""


class Broken(StoreError):
    """A statement fails inside its transaction, as a disk may fail."""


@dataclass(frozen=True)
class Fault:
    """One fault: at call ``number``, or from there on until it is healed. ``cut``: before which statement."""

    number: int
    kind: Kind
    cut: int = 0
    lasting: bool = False

    def __str__(self) -> str:
        """As it is given to ``--fault``."""
        cut = f":{self.cut}" if self.cut else ""
        return f"{self.kind}{cut}{'+' if self.lasting else ''}@{self.number}"

    @classmethod
    def parsed(cls, text: str, number: int) -> Fault:
        """What ``str`` gives, with or without its number."""
        text = text.partition("@")[0]
        kind, _, cut = text.rstrip("+").partition(":")
        known: dict[str, Kind] = {each: each for each in (*WRITES, "tear", "break")}
        return cls(number, known[kind], int(cut or 0), text.endswith("+"))


@dataclass
class Call:
    """One call of the store as the control has seen it. ``statements`` counts those of a write."""

    number: int
    who: str
    name: str
    statements: int = 0

    def kinds(self) -> list[tuple[Kind, int]]:
        """What can happen there, with the statement."""
        if self.name not in WRITING:
            return [(kind, 0) for kind in READS]
        # A writer that had nothing to write is no other than a reader.
        found = [(kind, 0) for kind in (WRITES if self.statements else READS)]
        last = self.statements - 1
        some = range(1, last + 1) if last < MOST_CUTS else sorted({1, last // 2, last})
        cuts: list[tuple[Kind, int]] = [("tear", cut) for cut in some]
        halfway: list[tuple[Kind, int]] = [("break", self.statements // 2)] if self.statements > 1 else []
        return found + cuts + halfway


@dataclass
class Injector:
    """Numbers the calls, and says which of them fail."""

    faults: tuple[Fault, ...] = ()
    log: list[Call] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    healed: bool = False
    _lasting: Fault | None = None
    _method: str = ""
    _left: int = 0

    def next(self, who: str, name: str) -> tuple[Call, Fault | None]:
        """The call that is made now, and what happens to it."""
        call = Call(len(self.log) + 1, who, name)
        self.log.append(call)
        if self.healed:
            return call, None
        for fault in self.faults:
            if fault.number == call.number:
                if fault.lasting:
                    self._lasting, self._method = fault, name
                    self._left = LASTING_DEATHS if fault.kind in DEADLY else LASTING_FAILURES
                    break
                return call, fault
        if self._left and self._lasting is not None and self._strikes(self._lasting, name):
            self._left -= 1
            return call, self._lasting
        return call, None

    def _strikes(self, fault: Fault, name: str) -> bool:
        if fault.kind == "fail_before":
            return True
        if fault.kind in DEADLY or fault.kind == "break":
            return name == self._method
        return name in WRITING

    def hit(self, fault: Fault) -> None:
        """It has happened."""
        self.hits[fault.kind] += 1
        self.deaths += fault.kind in DEADLY

    def heal(self) -> None:
        """Nothing fails any more."""
        self.healed = True
