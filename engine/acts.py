"""What operators do to instances beside letting them go on or end: a part of ``Client``.

Each act is a message to the owner, so that it cannot race with a completion, and is audited.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine import audit, by_hand, forking, migrating, rewinding
from perdure.engine.definitions import startable
from perdure.engine.errors import Conflict, Ended, UserError
from perdure.engine.events import (
    ExecutionMigrated,
    ExecutionRestarted,
    ExecutionRewound,
    Received,
    StepResolved,
)
from perdure.engine.ids import ordered_id
from perdure.engine.instance import Instance
from perdure.engine.reopening import check_whole, not_ended
from perdure.engine.requests import (
    Ask,
    check_repeated,
    keyed_request,
    message_to,
    payload_of,
    schema_error,
)
from perdure.engine.rerun import CannotGoOn
from perdure.engine.store.rows import Request
from perdure.engine.telling import Telling
from perdure.engine.waiting import replayed

PATIENCE = 30.0
"""Seconds that a restart waits for the end of what it has terminated."""


class Acts(Telling):
    """Restart, rewind, fork and resolve."""

    def restart(
        self,
        instance_id: str,
        input: Any = ...,
        *,
        version: str | None = None,
        id: str | None = None,
        new_id: bool = False,
        terminate: bool = False,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """Do it all again: the next generation of an instance that has ended, with its input or another one.

        It runs the same Program, or that of another ``version``. With an ``id``, or a ``new_id`` that is made
        up, a new instance does it and this one stays as it is. One that has not ended is terminated first if
        ``terminate`` says so. Raises ``NotFound``, ``Conflict`` for one that has not ended or an id in use,
        ``UserError`` for an input that does not fit.
        """
        body = {"version": version, "id": id, "new_id": new_id, "terminate": terminate, "reason": reason}
        given = {} if input is ... else {"input": payload_of(input, "the input")}
        request = keyed_request("restart", instance_id, request_key, {**body, **given})
        if (earlier := self._earlier(request)) is not None:
            return {"id": earlier.answer or instance_id, "changed": True}
        row = self._row(instance_id)
        check_whole(row)
        digest = row.digest
        if version is not None:
            definition = startable(self._definition(row.name, version))
            version, digest = definition.version, definition.program
        program = self._linked(digest)
        value = given["input"] if given else self._input(instance_id)
        details = {"reason": reason, "version": version, "new_input": bool(given) or None}
        if new_id or id is not None:
            other = self._new_instance(program, version or row.version, id, None)
            ask = self._start_ask(other, program, value, None, request)
            ask.audit = audit.entry(self.actor, "instance.restart", row.id, as_id=other.id, **details)
            self._carry_out(ask)
            return {"id": other.id, "changed": True}
        problem = program.input_problem(value)
        if problem is not None:
            raise schema_error(f"the input of {row.name!r} does not fit its schema: {problem}")
        row = self._ended(row, reason, terminate=terminate)
        event = ExecutionRestarted(version=version or row.version, digest=digest, input=value, reason=reason)
        return self._act(row, event, "instance.restart", request, details)

    def _input(self, instance_id: str) -> Any:
        """What an instance was started with."""
        text = self.store.payloads(instance_id).get("input")
        return None if text is None else msgspec.json.decode(text)

    def _ended(self, row: Instance, reason: str | None, *, terminate: bool) -> Instance:
        """The row of an instance that has ended. Raises ``Conflict`` for another one."""
        if not row.status.ended and terminate:
            self.terminate(row.id, reason)
            self.wait(row.id, PATIENCE)
            row = self._row(row.id)
        if not row.status.ended:
            raise not_ended(row)
        return row

    def rewind(
        self,
        instance_id: str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """Let an instance that failed, or was terminated, go on: only what failed is done again.

        Idempotency keys are kept. Returns where it goes on, as ``paths``; a ``dry_run`` changes nothing.
        Raises ``NotFound``, and ``Conflict`` for an instance that cannot go on, with the reason.
        """
        request = keyed_request("rewind", instance_id, request_key, {"reason": reason, "dry_run": dry_run})
        if self._earlier(request) is not None:
            return {"id": instance_id, "changed": True, "paths": []}
        row = self._row(instance_id)
        check_whole(row)
        paths = self._goes_on_at(row)
        if dry_run:
            return {"id": instance_id, "changed": False, "paths": paths}
        event = ExecutionRewound(reason=reason)
        return {**self._act(row, event, "instance.rewind", request, {"reason": reason}), "paths": paths}

    def _goes_on_at(self, row: Instance) -> list[str]:
        """Where a rewound instance waits first. Raises ``Conflict``."""
        if not row.status.ended:
            raise not_ended(row)
        found = self.store.load([row.id])
        try:
            rerun = rewinding.rewind(self._linked(row.digest), row, found[0].history if found else (), None)
        except CannotGoOn as problem:
            hint = "restart does all of it again"
            raise _conflict(
                "not_rewindable", f"instance {row.id!r} cannot be rewound: {problem}", hint
            ) from None
        return list(by_hand.waits_open(rerun.machine))

    def fork(
        self,
        instance_id: str,
        step: str,
        *,
        id: str | None = None,
        version: str | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """Start another instance with the past of this one before a step; it goes on from there.

        ``step`` is a name or a path; the first time that the present generation came to it counts. With a
        ``version`` the new instance runs that one, if it does the same with this past. The instance itself is
        left as it is. Raises ``NotFound``, and ``Conflict`` where the two do not agree, with the difference.
        """
        body = {"step": step, "id": id, "version": version, "reason": reason}
        request = keyed_request("fork", instance_id, request_key, body)
        if (earlier := self._earlier(request)) is not None:
            return {"id": earlier.answer, "changed": True}
        row = self._row(instance_id)
        digest = row.digest
        if version is not None:
            definition = startable(self._definition(row.name, version))
            version, digest = definition.version, definition.program
        program = self._linked(digest)
        source, found = self._linked(row.digest), self.store.load([row.id])
        past = found[0].history if found else ()
        other = self._new_instance(program, version or row.version, id, None)
        try:
            other, event = forking.fork(source, past, program, other, step, reason)
        except CannotGoOn as problem:
            raise _conflict(
                "not_forkable", f"instance {row.id!r} cannot be forked: {problem}", None
            ) from None
        if request is not None:
            request = msgspec.structs.replace(request, answer=other.id)
        details = {"reason": reason, "step": step, "version": version, "as_id": other.id}
        said = audit.entry(self.actor, "instance.fork", row.id, **details)
        message = message_to(other.id, event, f"{other.execution}/start")
        self._carry_out(Ask(message, event, request, other, program, audit=said))
        return {"id": other.id, "changed": True}

    def migrate(
        self,
        instance_id: str,
        version: str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """Let an instance that runs go on with another deployed version of its workflow.

        Only when that version replays its history, every decision of it; a ``dry_run`` says whether it would.
        Raises ``NotFound``, ``Ended``, and ``Conflict`` with the first difference.
        """
        body = {"version": version, "reason": reason, "dry_run": dry_run}
        request = keyed_request("migrate", instance_id, request_key, body)
        if self._earlier(request) is not None:
            return {"id": instance_id, "changed": True, "version": version}
        row = self._row(instance_id)
        if row.status.ended:
            raise Ended(f"instance {row.id!r} has ended ({row.status})")
        definition = startable(self._definition(row.name, version))
        if definition.program == row.digest:
            return {"id": row.id, "changed": False, "version": row.version}
        loaded = self.store.load([row.id])
        problem = migrating.problem(loaded[0], self._linked(definition.program)) if loaded else None
        if problem is not None:
            message = f"instance {row.id!r} cannot go on with {row.name}@{version}: {problem}"
            raise _conflict("not_migratable", message, "let it end, or restart it on that version")
        outcome = {"id": row.id, "changed": not dry_run, "version": version}
        if dry_run:
            return outcome
        event = ExecutionMigrated(version=version, digest=definition.program, reason=reason)
        details = {"reason": reason, "from": row.version, "to": version}
        return {**outcome, **self._act(row, event, "instance.migrate", request, details)}

    def resolve(
        self,
        instance_id: str,
        step: str,
        output: Any = None,
        *,
        error: dict[str, Any] | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """End what a step waits for by hand: with an output, or with an error.

        ``step`` is its name or its path; an error has a ``type``, and may have ``message`` and ``data``.
        Raises ``NotFound``, ``Ended``, and ``Conflict`` when no such step waits, or several do, or it cannot
        take what is given.
        """
        value = payload_of(output, "the output")
        fault = None if error is None else _fault(error)
        body = {"step": step, "output": value, "error": error, "reason": reason}
        request = keyed_request("resolve", instance_id, request_key, body)
        if self._earlier(request) is not None:
            return {"id": instance_id, "changed": True}
        row = self._row(instance_id)
        event = StepResolved(path=step, result=value, reason=reason)
        if fault is not None:
            event = StepResolved(path=step, reason=reason, **fault)
        if not row.status.ended:
            path = self._check_waiting(row, step, event)
            event = msgspec.structs.replace(event, path=path)
        details = {"reason": reason, "step": event.path, "error": event.error}
        return self._act(row, event, "instance.resolve", request, details)

    def _check_waiting(self, row: Instance, step: str, event: StepResolved) -> str:
        """The path of the wait that is meant. Raises ``Conflict`` and ``UserError``."""
        _, machine = replayed(self.store, row, self._programs)
        if machine is None:
            raise _conflict("not_waiting", f"instance {row.id!r} cannot be replayed now: {row.reason}", None)
        waits = by_hand.waits_open(machine)
        found = [step] if step in waits else [path for path, name in waits.items() if name == step]
        if len(found) != 1:
            what = "more than one thing waits" if found else "nothing waits"
            paths = ", ".join(found or waits)
            hint = f"it waits at: {paths}" if paths else "it waits for nothing"
            raise _conflict("not_waiting", f"instance {row.id!r}: {what} at {step!r}", hint)
        event = msgspec.structs.replace(event, path=found[0])
        problem = by_hand.problem(machine, event)
        if problem is not None:
            raise _conflict("not_waiting", f"instance {row.id!r}: {problem}", None)
        awaited = by_hand.event_awaited(machine, found[0])
        if awaited is not None and event.error is None and event.result is not None:
            problem = machine.program.event_problem(awaited, event.result)
            if problem is not None:
                raise schema_error(f"the output does not fit the schema of event {awaited!r}: {problem}")
        return found[0]

    def _earlier(self, request: Request | None) -> Request | None:
        """The same request, if it was carried out before. Raises ``Conflict`` for another one of its key."""
        if request is None:
            return None
        key = (request.route, request.target, request.key)
        earlier = self.store.look_up([], [], [key]).requests.get(key)
        if earlier is not None:
            check_repeated(request, earlier)
        return earlier

    def _act(
        self, row: Instance, event: Received, action: str, request: Request | None, details: dict[str, Any]
    ) -> dict[str, Any]:
        """Send an audited order to one execution of an instance."""
        said = audit.entry(self.actor, action, row.id, **details)
        message = message_to(row.id, event, ordered_id(), row.execution)
        self._carry_out(Ask(message, event, request, audit=said))
        return {"id": row.id, "changed": True}


def _fault(error: dict[str, Any]) -> dict[str, Any]:
    """The fields of an error that an operator gives. Raises ``UserError``."""
    kind, message = error.get("type"), error.get("message", "")
    if not (isinstance(kind, str) and kind and isinstance(message, str)):
        raise UserError("an error has a type and may have a message, both text, and data")
    return {"error": kind, "message": message, "data": payload_of(error.get("data"), "the error's data")}


def _conflict(code: str, text: str, hint: str | None) -> Conflict:
    error = Conflict(text, hint=hint)
    error.code = code
    return error
