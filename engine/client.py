"""Everything that can be asked of a hub, as documents: the same for the API, the command line and code.

With a worker of this process that owns the slots, what is written rides in its batches; otherwise it
goes straight to the database. Methods may be called from any thread; they block.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self, cast, get_args

import msgspec

from perdure.compiler import encode
from perdure.compiler.ir import EntityProgram, Program
from perdure.compiler.runtime import EvalError
from perdure.engine import audit, clock, publishing, queries, scheduled
from perdure.engine.acts import Acts
from perdure.engine.codec import is_key
from perdure.engine.completing import Completing
from perdure.engine.cursors import decode_cursor, encode_cursor
from perdure.engine.cursors import valid_limit as _valid_limit
from perdure.engine.definitions import Definitions, refuse_breaking, startable, unknown
from perdure.engine.entity_client import Entities
from perdure.engine.errors import Conflict, NotFound, UserError
from perdure.engine.events import (
    EventRaised,
    ExecutionCanceled,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    Received,
)
from perdure.engine.header import instance_tags, start_due, with_place
from perdure.engine.ids import new_id
from perdure.engine.instance import Instance, Status, id_problem, slot_of, status_of
from perdure.engine.linked import LinkedProgram
from perdure.engine.operations import Operations
from perdure.engine.programs import Programs
from perdure.engine.purging import Purging
from perdure.engine.queues import Queues
from perdure.engine.requests import Ask, carry_out
from perdure.engine.requests import keyed_request as _request
from perdure.engine.requests import message_to as _message
from perdure.engine.requests import payload_of as _payload
from perdure.engine.requests import schema_error as _schema_error
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Definition, IfExists, InstanceQuery, Message, Request
from perdure.engine.views import (
    definition_view,
    instance_row,
    instance_view,
    parse_time,
    row_views,
)
from perdure.engine.waiting import waiting_for
from perdure.engine.worker import Worker

POLL = 0.05
"""Seconds between looks at an instance that another process runs."""
OWNED_POLL = 1.0
"""The same for one that this process runs, which tells when it changes."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A checked and compiled workflow or entity. ``digest`` is the document's."""

    name: str
    version: str
    digest: str
    program: Program | EntityProgram
    source: str


class Client(Acts, Completing, Definitions, Entities, Operations, Purging, Queues):
    """A client of the hub in ``store``. What it does as an operator is audited under the name ``actor``."""

    def __init__(self, store: Store, worker: Worker | None = None) -> None:
        self.store = store
        self.worker = worker
        self.actor = audit.LOCAL
        self._programs = worker.programs if worker is not None else Programs(store.program)

    def acting(self, actor: str) -> Self:
        """This client on behalf of somebody. Raises ``UserError`` for what is no name."""
        other = copy.copy(self)
        other.actor = audit.valid_actor(actor)
        return other

    # -- definitions ------------------------------------------------------------------------------

    def deploy(
        self,
        entries: Sequence[Deployment],
        *,
        dry_run: bool = False,
        activate: bool = True,
        allow_breaking: bool = False,
    ) -> list[dict[str, Any]]:
        """Store definitions and make them the active versions; what is there already is left alone.

        Raises ``Conflict`` when a version has other content, ``BreakingChange`` when one breaks what the
        active version promises and neither its number nor ``allow_breaking`` says so; nothing is stored then.
        """
        now = self.store.time()
        rows = [(_definition_row(each, now), encode.encode(each.program)) for each in entries]
        keys = [key for each in entries for key in ((each.name, each.version), (each.name, None))]
        known = self.store.look_up([], keys, []).definitions
        found = [known.get((each.name, each.version)) for each in entries]
        _check_unchanged(entries, found)
        _check_kinds(rows, known)
        broken = self._breaks([(each.name, each.version, each.program) for each in entries], known)
        if not allow_breaking:
            refuse_breaking(broken)
        outcomes = _outcomes(rows, found, activate)
        if not dry_run:
            said = [
                audit.entry(self.actor, _ACTIONS[outcome], f"{each.name}@{each.version}", digest=each.digest)
                for each, outcome in zip(entries, outcomes, strict=True)
                if outcome in _ACTIONS
            ]
            found = self.store.deploy(rows, activate=activate, audit=said)
            _check_unchanged(entries, found)
        return [
            {
                "name": row.name,
                "version": row.version,
                "digest": row.digest,
                "program_digest": row.program if present is None else present.program,
                "outcome": outcome,
                "active": _is_active(present, activate),
                "breaks": broken.get((row.name, row.version), ("", []))[1],
            }
            for (row, _), present, outcome in zip(rows, found, outcomes, strict=True)
        ]

    def definitions(self, name: str | None = None) -> list[dict[str, Any]]:
        """All versions of all definitions, or of one."""
        return [definition_view(each) for each in self.store.definitions(name)]

    def definition(self, name: str, version: str | None = None) -> dict[str, Any]:
        """One version (the active one by default) with its ``source``. Raises ``NotFound``."""
        found = self._definition(name, version)
        return {**definition_view(found), "source": found.source}

    def program(self, digest: str) -> Program:
        """A stored Program. Raises ``Conflict`` when this release cannot run it."""
        return self._linked(digest).program

    def compiled(self, digest: str) -> Program | EntityProgram:
        """A stored Program, of a workflow or an entity. Raises ``Conflict`` as ``program`` does."""
        with suppress(encode.UnknownProgram):
            return self._programs.entity(digest).program
        return self.program(digest)

    def _linked(self, digest: str) -> LinkedProgram:
        try:
            return self._programs.get(digest)
        except encode.UnknownProgram as error:
            raise _unusable(error) from error

    def _definition(self, name: str, version: str | None) -> Definition:
        found = self.store.look_up([], [(name, version)], []).definitions.get((name, version))
        if found is None:
            raise unknown(name, version, others=version is None and bool(self.store.definitions(name)))
        return found

    # -- starting ---------------------------------------------------------------------------------

    def start(
        self,
        workflow: str,
        input: Any = None,
        *,
        id: str | None = None,
        tags: Mapping[str, str] | None = None,
        if_exists: str = "reject",
        start_at: str | None = None,
        delay: float | None = None,
        event: str | None = None,
        payload: Any = None,
        request_key: str | None = None,
    ) -> dict[str, Any]:
        """Start an instance of ``name`` or ``name@version``; returns its document.

        For an id in use ``if_exists`` is ``reject``, ``reuse`` (the instance that is there is returned) or
        ``replace_ended`` (one that has ended is purged first). It begins at ``start_at`` (RFC 3339), or after
        ``delay`` seconds. An ``event`` with its ``payload`` is delivered with the start, or else to the
        instance that is there and has not ended.

        With a ``request_key`` the call may be repeated: the first one's instance is returned. Raises
        ``NotFound``, ``Conflict`` for an id in use, ``Ended`` when nobody hears the event, ``UserError`` for
        an input or payload that does not fit.
        """
        name, _, version = workflow.partition("@")
        definition = startable(self._definition(name, version or None))
        program = self._linked(definition.program)
        body = {"workflow": workflow, "input": input, "id": id, "tags": tags}
        more = {"if_exists": if_exists, "start_at": start_at, "delay": delay, "event": event}
        body |= {key: value for key, value in more.items() if value not in (None, "reject")}
        body |= {} if event is None else {"payload": payload}
        request = _request("start", "", request_key, body)
        instance = self._new_instance(program, definition.version, id, tags)
        ask = self._start_ask(instance, program, input, None, request)
        ask.if_exists = _policy(if_exists)
        if due := self._due(start_at, delay):
            # When it is due, another instance may have the id.
            due = start_due(instance if ask.instance is None else ask.instance, due)
            ask.message = msgspec.structs.replace(ask.message, due=due, execution=instance.execution)
        if event is not None:
            ask.told = self._told(instance.id, program, event, payload)
        earlier = self._carry_out(ask)
        return self.instance(instance.id if earlier is None else earlier.answer)

    def _due(self, start_at: str | None, delay: float | None) -> int:
        """When a start is due: 0 for at once."""
        if start_at is None and delay is None:
            return 0
        if start_at is not None and delay is not None:
            raise UserError("a start has a time or a delay, not both")
        now = self.store.time()
        due = now + round((delay or 0) * 1_000_000) if start_at is None else parse_time(start_at)
        if due >= 2**62:
            raise UserError("a start is not that far away")
        return due if due > now else 0

    def _told(self, instance_id: str, program: LinkedProgram, name: str, payload: Any) -> Message:
        """The event for an instance that is started, or for the one that is there."""
        value = _payload(payload, "the payload")
        present = self.store.instance(instance_id)
        hears: LinkedProgram | str = program
        if present is not None and not present.status.ended:
            hears = self._programs.all([present.digest])[present.digest]
        _check_event(hears, program.program.name if present is None else present.name, name, value)
        return _message(instance_id, EventRaised(name=name, input=value), new_id())

    def run(
        self,
        program: Program,
        input: Any = None,
        *,
        id: str | None = None,
        tags: Mapping[str, str] | None = None,
        queue: str | None = None,
        others: Sequence[Program] = (),
    ) -> dict[str, Any]:
        """Start an instance of a Program that need not be deployed; one that exists is returned as it is.

        Its tasks go to the private ``queue``, and the workflows that it calls are found among the ``others``
        first. Raises ``UserError`` for an input that does not fit.
        """
        if id is not None:
            present = self.store.instance(_valid_id(id))
            if present is not None:
                return self.instance(present.id)
        local = {each.name: self._pinned(each) for each in others}
        linked = self._programs.get(self._pinned(program))
        instance = self._new_instance(linked, program.version, id, tags)
        with suppress(Conflict):  # Another process was faster with the same id.
            self._carry_out(self._start_ask(instance, linked, input, queue, None, local))
        return self.instance(instance.id)

    def run_many(self, program: Program, inputs: Sequence[Any]) -> list[str]:
        """Start an instance of a Program for each input; returns their ids once all are durable."""
        linked = self._programs.get(self._pinned(program))
        asks = []
        for value in inputs:
            instance = self._new_instance(linked, program.version, None, None)
            asks.append(self._start_ask(instance, linked, value, None, None))
        if self.worker is not None and self.worker.owns_slots:
            for ask in asks:
                self.worker.submit(ask)
            for ask in asks:
                ask.result()
        else:
            for ask in asks:
                carry_out(self.store, ask)
        return [ask.message.instance for ask in asks]

    def _pinned(self, program: Program) -> str:
        """Store a Program; returns its digest."""
        digest = encode.digest(program)
        self.store.pin(digest, encode.encode(program))
        return digest

    def _new_instance(
        self, program: LinkedProgram, version: str, id: str | None, tags: Mapping[str, str] | None
    ) -> Instance:
        instance_id = new_id() if id is None else _valid_id(id)
        now = self.store.time()
        return Instance(
            id=instance_id,
            slot=slot_of(instance_id),
            name=program.program.name,
            version=version,
            digest=program.digest,
            status=Status.PENDING,
            execution=new_id(),
            created_at=now,
            updated_at=now,
            tags=_valid_tags(tags),
        )

    def _start_ask(
        self,
        instance: Instance,
        program: LinkedProgram,
        value: Any,
        queue: str | None,
        request: Request | None,
        local: dict[str, str] | None = None,
    ) -> Ask:
        value = _payload(value, "the input")
        problem = program.input_problem(value)
        if problem is not None:
            raise _schema_error(f"the input of {instance.name!r} does not fit its schema: {problem}")
        event = ExecutionStarted(
            execution=instance.execution,
            name=instance.name,
            version=instance.version,
            digest=instance.digest,
            generation=instance.generation,
            key_seed=instance.execution,
            input=value,
            tags=instance.tags,
            queue=queue,
            local=local or {},
        )
        tags = _tags(program, instance, event)
        instance = msgspec.structs.replace(instance, tags=tags)
        event = msgspec.structs.replace(event, tags=tags)
        instance = _with_place(program, instance, event)
        if request is not None:
            request = msgspec.structs.replace(request, answer=instance.id)
        message = _message(instance.id, event, f"{instance.execution}/start")
        if due := start_due(instance):
            message = msgspec.structs.replace(message, due=due, execution=instance.execution)
        return Ask(message, event, request, instance, program)

    # -- looking ----------------------------------------------------------------------------------

    def instance(self, instance_id: str) -> dict[str, Any]:
        """The document of an instance. Raises ``NotFound``."""
        return instance_view(self._row(instance_id), self.store.payloads(instance_id))

    def _row(self, instance_id: str) -> Instance:
        found = self.store.instance(instance_id)
        if found is None:
            raise NotFound(f"there is no instance {instance_id!r}")
        return found

    def wait(self, instance_id: str, timeout: float | None = None) -> dict[str, Any]:
        """The document of an instance once it has ended, or as it is after ``timeout`` seconds."""
        changed = threading.Event()
        undo = None if self.worker is None else self.worker.watch(instance_id, changed.set)
        deadline = None if timeout is None else clock.monotonic() + timeout
        try:
            while not self._row(instance_id).status.ended:
                left = None if deadline is None else deadline - clock.monotonic()
                if left is not None and left <= 0:
                    break
                owned = self.worker is not None and self.worker.owns_slots
                poll = OWNED_POLL if owned else POLL
                clock.wait(changed, poll if left is None else min(left, poll))
                changed.clear()
        finally:
            if undo is not None:
                undo()
        return self.instance(instance_id)

    def instances(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        chunks: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Instances, newest first, without their payloads: ``items`` and the ``next`` cursor.

        Those that are ``chunks`` of a fan-out are left out unless they are asked for.
        Raises ``UserError`` for an unknown status, a bad cursor or a bad limit.
        """
        limit = _valid_limit(limit)
        query = InstanceQuery(
            statuses=tuple(status_of(each) for each in statuses),
            name=name,
            tags=tuple(sorted((tags or {}).items())),
            chunks=chunks,
            after=None if cursor is None else decode_cursor(cursor, tuple[int, str]),
            limit=limit + 1,
        )
        found = self.store.instances(query)
        more = len(found) > limit
        last = found[limit - 1] if more else None
        return {
            "items": [instance_row(each) for each in found[:limit]],
            "next": None if last is None else encode_cursor((last.created_at, last.id)),
        }

    def history(
        self, instance_id: str, *, generation: int | None = None, cursor: str | None = None, limit: int = 200
    ) -> dict[str, Any]:
        """Events of a generation (the present one by default), oldest first: ``items`` and ``next``.

        A page ends with a turn: it may have more than ``limit`` events. Raises ``NotFound``.
        """
        limit = _valid_limit(limit)
        row = self._row(instance_id)
        after = 0
        if cursor is not None:
            generation, after = decode_cursor(cursor, tuple[int, int])
        generation = row.generation if generation is None else generation
        items: list[dict[str, Any]] = []
        more = True
        while more and len(items) < limit:
            rows = self.store.history(instance_id, generation, after, limit)
            more = len(rows) == limit
            for each in rows:
                items += row_views(each)
                after = each.next_seq
                if len(items) >= limit:
                    more = True
                    break
        if more:
            more = bool(self.store.history(instance_id, generation, after, 1))
        return {"items": items, "next": encode_cursor((generation, after)) if more else None}

    def payload(self, instance_id: str, key: str) -> Any:
        """A large value of an instance, by the key that its history shows. Raises ``NotFound``."""
        row = self._row(instance_id)
        text = self.store.payload(row.id, key) if is_key(key) else None
        if text is None:
            raise NotFound(
                f"instance {instance_id!r} has no value {key!r}",
                hint="keys are in the history, and go with the generations that it forgets",
            )
        return msgspec.json.decode(text)

    def waiting(self, instance_id: str) -> list[dict[str, Any]]:
        """What an instance waits for now, with the place in its file. Raises ``NotFound``."""
        row = self._row(instance_id)
        if row.status.ended:
            return []
        return waiting_for(self.store, row, self._programs)

    def query(self, instance_id: str, name: str) -> Any:
        """The answer to a query that the workflow declares, by the committed state; also when it has ended.

        Raises ``NotFound``, ``Conflict`` for a history that cannot be replayed, ``UserError`` with the code
        ``query`` when its expression fails.
        """
        return queries.ask(self.store, self._linked(self._row(instance_id).digest), instance_id, name)

    def error_status(self, document: Mapping[str, Any]) -> int | None:
        """The HTTP status that the workflow declares for the error of a failed instance, if it does."""
        error = document["error"]
        program = self._programs.all([document["digest"]])[document["digest"]]
        if error is None or isinstance(program, str):
            return None
        declared = program.program.errors.get(error["type"])
        return None if declared is None else declared.status

    # -- schedules --------------------------------------------------------------------------------

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
        request = _request("trigger", schedule_id, request_key, {})
        instance = self._new_instance(program, row.version, scheduled.instance_id(row.id, at), None)
        earlier = self._carry_out(self._start_ask(instance, program, value, None, request))
        return self.instance(instance.id if earlier is None else earlier.answer)

    # -- telling ----------------------------------------------------------------------------------

    def raise_event(
        self, instance_id: str, name: str, payload: Any = None, *, request_key: str | None = None
    ) -> None:
        """Send an event. With a ``request_key`` it may be repeated and is delivered once.

        Raises ``NotFound``, ``Ended``, ``UserError`` for a name that the workflow neither declares nor
        waits for, and for a payload that does not fit.
        """
        value = _payload(payload, "the payload")
        row = self._row(instance_id)
        program = self._programs.all([row.digest])[row.digest]
        if not row.status.ended:
            # One that has is told by who looks up the key first: a repeated request is no mistake.
            _check_event(program, row.name, name, value)
        request = _request("event", instance_id, request_key, {"name": name, "payload": value})
        self._tell(instance_id, EventRaised(name=name, input=value), request)

    def publish(
        self, name: str, payload: Any = None, *, start: str | None = None, request_key: str | None = None
    ) -> list[str]:
        """Send an event to every instance that waits for it now by its content; returns their ids.

        When nobody does, an instance of the workflow ``start`` is started, with the payload as its input, and
        gets the event. With a ``request_key`` it may be repeated and is delivered once. Raises ``NotFound``
        when nobody waits for it, ``UserError`` for a payload that does not fit.
        """
        value = _payload(payload, "the payload")
        request = _request(
            "publish", name, request_key, {"payload": value, **({"start": start} if start else {})}
        )
        started = ("start", "", request_key or "")
        if start is None or started not in self.store.look_up([], [], [started]).requests:
            try:
                return publishing.publish(self.store, self._programs, name, value, request)
            except encode.UnknownProgram as error:
                raise _unusable(error) from error
            except NotFound:
                if start is None:
                    raise
        return [self.start(start, value, event=name, payload=value, request_key=request_key)["id"]]

    def suspend(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """Let the instance wait until it is resumed; events are kept. Raises ``NotFound``, ``Ended``."""
        request = _request("suspend", instance_id, request_key, {"reason": reason})
        event = ExecutionSuspended(reason=reason)
        is_so = self._row(instance_id).status is Status.SUSPENDED
        return self._tell_once(instance_id, event, request, is_so, "instance.suspend")

    def resume(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """Let a suspended instance go on. Raises ``NotFound``, ``Ended``."""
        request = _request("resume", instance_id, request_key, {"reason": reason})
        event = ExecutionResumed(reason=reason)
        going = self._row(instance_id).status in {Status.PENDING, Status.RUNNING}
        return self._tell_once(instance_id, event, request, going, "instance.resume")

    def cancel(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """End the instance after its cleanup: ``finally`` and compensations. Raises ``NotFound``, ``Ended``.

        To cancel it once more changes nothing. A suspended instance hears of it when it is resumed.
        """
        request = _request("cancel", instance_id, request_key, {"reason": reason})
        return self._tell(instance_id, ExecutionCanceled(reason=reason), request, "instance.cancel")

    def terminate(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """End the instance at once, without cleanup. Raises ``NotFound``, ``Ended``."""
        request = _request("terminate", instance_id, request_key, {"reason": reason})
        return self._tell(instance_id, ExecutionTerminated(reason=reason), request, "instance.terminate")

    def _tell(
        self, instance_id: str, event: Received, request: Request | None, action: str | None = None
    ) -> dict[str, Any]:
        """Send a message; one with an ``action`` is an operator's act."""
        said = None
        if action is not None:
            reason = getattr(event, "reason", None)
            said = audit.entry(self.actor, action, instance_id, reason=reason)
        self._carry_out(Ask(_message(instance_id, event, new_id()), event, request, audit=said))
        return {"changed": True}

    def _tell_once(
        self, instance_id: str, event: Received, request: Request | None, is_so: bool, action: str
    ) -> dict[str, Any]:
        """Tell, even when it ``is_so`` already: the opposite may be in the inbox and not carried out yet."""
        self._tell(instance_id, event, request, action)
        return {"changed": not is_so}

    def _carry_out(self, ask: Ask) -> Request | None:
        if self.worker is not None and self.worker.owns_slots:
            self.worker.submit(ask)
            return ask.result()
        return carry_out(self.store, ask)


def _definition_row(entry: Deployment, now: int) -> Definition:
    return Definition(
        name=entry.name,
        version=entry.version,
        digest=entry.digest,
        program=encode.digest(entry.program),
        source=entry.source,
        created_at=now,
        kind="entity" if isinstance(entry.program, EntityProgram) else "workflow",
    )


def _tags(program: LinkedProgram, instance: Instance, event: ExecutionStarted) -> dict[str, str]:
    try:
        return _valid_tags(instance_tags(program, instance.id, event, instance.created_at))
    except EvalError as error:
        problem = UserError(error.message)
        problem.code = "tags"
        raise problem from error


def _with_place(program: LinkedProgram, instance: Instance, event: ExecutionStarted) -> Instance:
    try:
        return with_place(program, instance, event, instance.created_at)
    except EvalError as error:
        problem = UserError(error.message)
        problem.code = "concurrency"
        raise problem from error


def _unusable(error: encode.UnknownProgram) -> Conflict:
    problem = Conflict(str(error), hint="deploy the definition again with this release")
    problem.code = "program"
    return problem


def _check_event(program: LinkedProgram | str, workflow: str, name: str, value: Any) -> None:
    """Raises ``UserError`` for what this workflow never hears; without its Program nobody knows."""
    if isinstance(program, str):
        return
    if name not in program.event_names:
        raise _unknown_event(workflow, name, program.event_names)
    problem = program.event_problem(name, value)
    if problem is not None:
        raise _schema_error(f"the payload of event {name!r} does not fit its schema: {problem}")


def _policy(text: str) -> IfExists:
    known = get_args(IfExists)
    if text not in known:
        raise UserError(f"if_exists is not {text!r}", hint=f"one of: {', '.join(known)}")
    return cast("IfExists", text)


def _unknown_event(workflow: str, name: str, known: frozenset[str]) -> UserError:
    wanted = ", ".join(sorted(known))
    error = UserError(
        f"{workflow!r} has no event {name!r}",
        hint=f"it waits for: {wanted}" if wanted else "it waits for no event at all",
    )
    error.code = "unknown_event"
    return error


def _check_unchanged(entries: Sequence[Deployment], found: Sequence[Definition | None]) -> None:
    for each, present in zip(entries, found, strict=True):
        if present is not None and present.digest != each.digest:
            error = Conflict(
                f"{each.name}@{each.version} is deployed with other content",
                hint="a deployed version never changes: give the new content a new version",
            )
            error.code = "definition_conflict"
            raise error


def _check_kinds(
    rows: Sequence[tuple[Definition, str]], known: Mapping[tuple[str, str | None], Definition]
) -> None:
    for row, _ in rows:
        present = known.get((row.name, None))
        if present is not None and present.kind != row.kind:
            error = Conflict(
                f"{row.name!r} is deployed as {present.kind}, and cannot be one as {row.kind}",
                hint="choose another name",
            )
            error.code = "definition_conflict"
            raise error


_ACTIONS = {"created": "definition.deploy", "activated": "definition.activate"}


def _outcomes(
    rows: Sequence[tuple[Definition, str]], found: Sequence[Definition | None], activate: bool
) -> list[str]:
    """What deploying comes to. Of several versions of a name the last becomes the active one."""
    last = {row.name: row.version for (row, _), there in zip(rows, found, strict=True) if not _retired(there)}

    def outcome(row: Definition, there: Definition | None) -> str:
        if there is None:
            return "created"
        again = activate and not there.active and last.get(row.name) == row.version
        return "activated" if again else "unchanged"

    return [outcome(row, there) for (row, _), there in zip(rows, found, strict=True)]


def _retired(there: Definition | None) -> bool:
    return there is not None and there.retired


def _is_active(present: Definition | None, activate: bool) -> bool:
    """Whether a version is the active one once it is deployed."""
    if present is None:
        return activate
    return present.active or (activate and not present.retired)


def _valid_id(instance_id: str) -> str:
    problem = id_problem(instance_id)
    if problem is not None:
        error = UserError(f"{instance_id!r}: {problem}")
        error.code = "invalid_id"
        raise error
    return instance_id


def _valid_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    for key, value in (tags or {}).items():
        _payload(key + value, "a tag")
    return dict(tags or {})
