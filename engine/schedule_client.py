"""Schedules for clients: look, pause, resume, and start what they would."""

from __future__ import annotations

from typing import Any

from perdure.engine import scheduled
from perdure.engine.requests import keyed_request
from perdure.engine.starts import Starts


class Schedules(Starts):
    """The part of a client that is for schedules."""

    def schedules(self) -> dict[str, Any]:
        """All schedules, by id: ``items``."""
        return {"items": [scheduled.schedule_view(row) for row in self.store.schedules()], "next": None}

    def schedule(self, schedule_id: str) -> dict[str, Any]:
        """A schedule with its last outcomes. Raises ``NotFound``."""
        return scheduled.shown(self.store, schedule_id)

    def pause_schedule(self, schedule_id: str) -> dict[str, Any]:
        """Start nothing by it until it is resumed. Raises ``NotFound``."""
        return scheduled.pause(self.store, schedule_id, self.actor)

    def resume_schedule(self, schedule_id: str) -> dict[str, Any]:
        """Let it go on from now: what was due meanwhile is passed over. Raises ``NotFound``."""
        return scheduled.resume(self.store, schedule_id, self.actor)

    def backfill_schedule(self, schedule_id: str, begin: str, end: str) -> dict[str, Any]:
        """Start what was due from one time (RFC 3339) to another, each once.

        Raises ``NotFound``, and ``UserError`` for a range that is none.
        """
        return scheduled.backfill(self.store, schedule_id, begin, end, self.actor)

    def trigger_schedule(self, schedule_id: str, *, request_key: str | None = None) -> dict[str, Any]:
        """Start an occurrence of this moment; returns the instance. Raises ``NotFound``, ``Conflict``."""
        row = scheduled.row_of(self.store, schedule_id)
        program = self._linked(row.program)
        at = self.store.time() // 1_000_000 * 1_000_000
        value = scheduled.input_of(program, row, at)
        request = keyed_request("trigger", schedule_id, request_key, {})
        instance = self._new_instance(program, row.version, scheduled.instance_id(row.id, at), None)
        earlier = self._carry_out(self._start_ask(instance, program, value, None, request))
        return self.instance(instance.id if earlier is None else earlier.answer)
