"""The Program of an instance's next generation: the one it has, or a newer version that takes its input.

Which versions are deployed is not in any history, so the choice is not the machine's: it ends a generation
with the version that is wanted, and the turn chooses from what was looked up before. The choice is recorded
with the start of the generation. Nothing is chosen from what nobody has looked up: the start waits for it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from perdure.engine.events import ContinueAsNew, ExecutionStarted
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import LogLine

PINNED = "pinned"
LATEST = "latest"
UPGRADE_BLOCKED = "upgrade_blocked"
"""The tag of an instance that could not move; its value is the version that it was to move to."""


class Wanted(NamedTuple):
    """A name, the version that runs, and what is to run: ``latest`` or a range."""

    name: str
    version: str
    wanted: str


class Candidate(NamedTuple):
    """A version to move to, and its Program or why there is none here."""

    version: str
    program: LinkedProgram | str


class Choice(NamedTuple):
    """The first event of a generation as it is recorded, and the Program that runs it."""

    start: ExecutionStarted
    program: LinkedProgram
    line: LogLine | None = None


class Upgrades:
    """What was looked up lately, and what is to be."""

    def __init__(self) -> None:
        self.asked: dict[Wanted, None] = {}
        self._known: dict[Wanted, Candidate | None] = {}

    def learn(self, wanted: Wanted, candidate: Candidate | None) -> None:
        """What the database says now; None where the instance runs the right version."""
        self.asked.pop(wanted, None)
        self._known[wanted] = candidate

    def forget(self) -> None:
        """Something may have been deployed."""
        self._known.clear()

    def knows(self, start: ExecutionStarted) -> bool:
        """Whether the Program can be chosen now; if not, it is asked for."""
        if start.upgrade is None:
            return True
        wanted = Wanted(start.name, start.version, start.upgrade)
        if wanted not in self._known:
            self.asked[wanted] = None
        return wanted in self._known

    def choose(self, start: ExecutionStarted, present: LinkedProgram) -> Choice:
        """The Program of a generation that begins so."""
        assert start.upgrade is not None, "there is something to choose"
        candidate = self._known.get(Wanted(start.name, start.version, start.upgrade))
        tags = {name: value for name, value in start.tags.items() if name != UPGRADE_BLOCKED}
        stays = msgspec.structs.replace(start, upgrade=None, tags=tags)
        if candidate is None:
            return Choice(stays, present)
        program = candidate.program
        problem = program if isinstance(program, str) else program.input_problem(start.input)
        if problem is None and isinstance(program, LinkedProgram):
            moves = msgspec.structs.replace(stays, version=candidate.version, digest=program.digest)
            return Choice(moves, program)
        blocked = msgspec.structs.replace(stays, tags={**tags, UPGRADE_BLOCKED: candidate.version})
        message = f"stays at version {start.version}, {candidate.version} does not take it on: {problem}"
        return Choice(blocked, present, LogLine(level="warning", message=message, fields=None, path=""))


def wanted_next(decision: ContinueAsNew, before: ExecutionStarted) -> str | None:
    """What the next generation is to run; None for what this one runs.

    An instance that does not run what is deployed under its name stays with what it was started with.
    """
    private = before.queue is not None or before.name in before.local
    return None if private or decision.version == PINNED else decision.version
