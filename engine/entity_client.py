"""Entities for clients: look, call, signal, delete."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from perdure.compiler import encode
from perdure.engine import audit, clock
from perdure.engine.addresses import MAX_KEY, entity_of
from perdure.engine.caller import Caller
from perdure.engine.cursors import decode_cursor, encode_cursor, valid_limit
from perdure.engine.entities import LinkedEntity
from perdure.engine.entity_owner import PRIVATE
from perdure.engine.errors import Conflict, NotFound, OperationFailed, UserError
from perdure.engine.events import Asker, DeleteRequested, OperationRequested, ToEntity
from perdure.engine.ids import ordered_id
from perdure.engine.outgoing import to_entity
from perdure.engine.requests import Ask, carry_out, keyed_request, payload_of, schema_error
from perdure.engine.store.rows import EntityQuery, EntityRow, Request
from perdure.engine.views import parse_time, time_text

POLL = 0.05
"""Seconds between looks for an answer that another process gives."""
OWNED_POLL = 1.0
"""The same where this process gives it, and tells when it does."""


class Entities(Caller):
    """The part of a client that speaks to entities."""

    def entities(
        self,
        *,
        type: str | None = None,
        key_prefix: str = "",
        updated_from: str | None = None,
        updated_to: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Entities that have a state, by type and key: ``items`` and the ``next`` cursor.

        Raises ``UserError`` for a bad time, cursor or limit.
        """
        limit = valid_limit(limit)
        query = EntityQuery(
            type=type,
            key_prefix=key_prefix,
            updated_from=None if updated_from is None else parse_time(updated_from),
            updated_to=None if updated_to is None else parse_time(updated_to),
            after=None if cursor is None else decode_cursor(cursor, tuple[str, str]),
            limit=limit + 1,
        )
        found = self.store.entities(query)
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [entity_view(each) for each in found[:limit]],
            "next": None if last is None else encode_cursor((last.type, last.key)),
        }

    def entity_types(self) -> list[str]:
        """The names of those that are deployed, and of the classes that live workers have."""
        deployed = {each.name for each in self.store.definitions() if each.kind == "entity"}
        offered = {each for worker in self.store.workers() for each in worker.activities if each[0] == "@"}
        return sorted(deployed | {each[1:] for each in offered})

    def entity(self, entity: str) -> dict[str, Any]:
        """The committed document of ``Type@key``. Raises ``NotFound`` when it has no state."""
        _type_of(entity)
        for row in self.store.load_entities([f"@{entity}"]):
            if row.state is not None:
                return entity_view(row)
        raise NotFound(f"entity {entity!r} has no state")

    def call_entity(
        self,
        entity: str,
        operation: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any] | None:
        """Have an entity carry out an operation; ``{"result": ...}``, or None after ``timeout`` seconds.

        It is carried out in any case then; with the same ``request_key`` the call can be repeated, and has
        the first one's answer. Raises ``NotFound`` for an unknown type or operation, ``UserError`` for an
        input that does not fit, ``OperationFailed``.
        """
        value = self._checked(entity, operation, input)
        body = {"operation": operation, "input": value}
        request = keyed_request("entity", f"@{entity}", request_key, body)
        message_id = ordered_id()
        if request is None:
            request = Request(route=PRIVATE, target=f"@{entity}", key=message_id, fingerprint="", answer="")
        key = (request.route, request.target, request.key)
        event = OperationRequested(operation=operation, input=value, request=key)
        changed = threading.Event()
        undo = None if self.worker is None else self.worker.watch(f"@{entity}", changed.set)
        try:
            present = self._carry_out(Ask(to_entity(entity, event, message_id), event, request))
            answer = present.answer if present is not None else ""
            at_once = bool(answer)
            answer = answer or self._await(key, changed, timeout)
        finally:
            if undo is not None:
                undo()
        if request.route == PRIVATE and not at_once:
            self.store.forget_request(*key)
        return _told(answer)

    def _await(self, key: tuple[str, str, str], changed: threading.Event, timeout: float | None) -> str:
        """The answer to a request once it is there; empty after ``timeout`` seconds."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        while True:
            found = self.store.look_up([], [], [key]).requests.get(key)
            if found is None or found.answer:
                return "" if found is None else found.answer
            left = None if deadline is None else deadline - clock.monotonic()
            if left is not None and left <= 0:
                return ""
            poll = OWNED_POLL if self.worker is not None and self.worker.owns(key[1]) else POLL
            clock.wait(changed, poll if left is None else min(left, poll))
            changed.clear()

    def signal_entity(
        self,
        entity: str,
        operation: str,
        input: Any = None,
        *,
        at: str | None = None,
        request_key: str | None = None,
    ) -> None:
        """Have an entity carry out an operation for which nobody waits, not before ``at`` (RFC 3339).

        It is durable when this returns. Raises as ``call_entity`` does, but not for what comes of it.
        """
        value = self._checked(entity, operation, input)
        due = 0 if at is None else max(parse_time(at), 0)
        body = {"operation": operation, "input": value, "at": at}
        request = keyed_request("signal", f"@{entity}", request_key, body)
        event = OperationRequested(operation=operation, input=value)
        ask = Ask(to_entity(entity, event, ordered_id(), due=due), event, request)
        # What is for later lies in the inbox until its time has come.
        carry_out(self.store, ask) if due else self._carry_out(ask)

    def delete_entity(
        self, entity: str, *, reason: str | None = None, request_key: str | None = None
    ) -> dict[str, Any]:
        """Let an entity be no more, once those who spoke to it before have been heard.

        One whose type nobody has any more goes when somebody has it again. Raises ``NotFound`` where there is
        none, and nobody who could have one.
        """
        type_ = _type_of(entity)
        request = keyed_request("delete", f"@{entity}", request_key, {"reason": reason})
        said = audit.entry(self.actor, "entity.delete", entity, reason=reason)
        event: ToEntity = DeleteRequested()
        ask = Ask(to_entity(entity, event, ordered_id()), event, request, audit=said)
        try:
            self._entity_program(type_)
        except NotFound:
            if not self.store.load_entities([f"@{entity}"]):
                raise
            carry_out(
                self.store, ask
            )  # no turn of it can be taken now, and only turns write what is asked here
        else:
            self._carry_out(ask)
        return {"id": entity}

    def _checked(self, entity: str, operation: str, input: Any) -> Any:
        """The input, if this operation can have it. What a Python class takes, its worker says."""
        value = payload_of(input, "the input")
        program = self._entity_program(_type_of(entity))
        if program is None:
            return value
        if operation not in program.operations:
            known = ", ".join(program.operations)
            raise NotFound(f"entity {program.name!r} has no operation {operation!r}", hint=f"it has: {known}")
        problem = program.input_problem(operation, value)
        if problem is not None:
            raise schema_error(problem)
        return value

    def _entity_program(self, type_: str) -> LinkedEntity | None:
        """The active Program of a type; None for one in Python. Raises ``NotFound``, ``Conflict``."""
        found = self.store.look_up([], [(type_, None)], []).definitions.get((type_, None))
        if found is not None and found.kind == "entity":
            try:
                return self._programs.entity(found.program)
            except encode.UnknownProgram as error:
                raise Conflict(str(error), hint="deploy the entity again with this release") from error
        if not any(f"@{type_}" in worker.activities for worker in self.store.workers()):
            hint = "deploy it, or start a worker that has its class"
            raise NotFound(f"there is no entity {type_!r}", hint=hint)
        return None


def _type_of(entity: str) -> str:
    found = entity_of(entity)
    if found is None:
        error = UserError(
            f"{entity!r} is no entity", hint=f"write Type@key; a key has 1 to {MAX_KEY} characters"
        )
        error.code = "invalid_entity"
        raise error
    return found[0]


def _told(answer: str) -> dict[str, Any] | None:
    if not answer:
        return None
    told: dict[str, Any] = msgspec.json.decode(answer)
    if "result" in told:
        return told
    raise OperationFailed({"type": told["error"], "message": told["message"], "data": told["data"]})


def entity_view(row: EntityRow) -> dict[str, Any]:
    """The document of an entity."""
    holder = None if row.lock is None else msgspec.json.decode(row.lock, type=Asker).instance
    return {
        "id": row.id[1:],
        "type": row.type,
        "key": row.key,
        "state": None if row.state is None else msgspec.json.decode(row.state),
        "locked_by": holder,
        "busy": row.task is not None,
        "created_at": time_text(row.created_at),
        "updated_at": time_text(row.updated_at),
    }
