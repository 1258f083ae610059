"""Who was refused, for the audit: counted in memory, and written now and then, so that no flood fills it.

What is written is one entry for each who and why since the last time, which names the first of these
requests and says how many there were. The first ones are written at once; while more come the pauses grow,
to an hour, so that a flood of a day is some dozens of rows. A process that is killed takes the counts since
its last entry along.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import Scope

from perdure.engine import audit
from perdure.engine.audit import MAX_ACTOR
from perdure.engine.errors import PerdureError
from perdure.engine.store.rows import AuditEntry
from perdure.server.problems import Problem

ACTION = "denied"
NOBODY = "nobody"
"""Who has shown no key that counts."""
OTHERS = "others"
"""Those beyond ``MOST``, together."""
MOST = 20
"""Entries that are written at a time, beside the one for the others."""
FIRST_PAUSE = 60.0
LAST_PAUSE = 3600.0
"""Seconds between two writes: at first, and at most."""
_SHOWN = 200
"""Characters of a path that are kept."""

_log = logging.getLogger("perdure.server")


class Denials:
    """Refusals of one server, on its event loop. ``write`` puts entries into the audit."""

    def __init__(self, write: Callable[[Sequence[AuditEntry]], Awaitable[Any]]) -> None:
        self._write = write
        self._counted: dict[tuple[str, str], dict[str, Any]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, actor: str, code: str, method: str, path: str, address: str | None) -> None:
        """One more."""
        key = (actor, code)
        if key not in self._counted and len(self._counted) >= MOST:
            key = (OTHERS, code)
        first = {"request": f"{method} {path[:_SHOWN]}", "from": address, "count": 0}
        self._counted.setdefault(key, first)["count"] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tell())

    def taken(self) -> list[AuditEntry]:
        """What was counted since the last time, to be written."""
        counted, self._counted = self._counted, {}
        return [
            audit.entry(actor[:MAX_ACTOR], ACTION, said.pop("request"), code=code, **said)
            for (actor, code), said in counted.items()
        ]

    async def flush(self) -> None:
        """Write what was counted; what cannot be written is in the log."""
        entries = self.taken()
        if not entries:
            return
        for each in entries:
            _log.warning("refused: %s, %s, %s", each.actor, each.target, each.details)
        try:
            await self._write(entries)
        except PerdureError as error:
            _log.warning("these refusals are not in the audit (%s)", error)

    async def _tell(self) -> None:
        pause = FIRST_PAUSE
        while self._counted:
            await self.flush()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)


def note(scope: Scope, problem: Problem, actor: str = NOBODY) -> None:
    """Count a request that is refused for who asks, or from where."""
    denials: Denials = scope["app"].state.api.denials
    address = scope.get("client")
    denials.note(actor, problem.code, scope["method"], scope["path"], address and address[0])
