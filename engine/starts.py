"""Starts for clients: of what is deployed, and of Programs that need not be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast, get_args

import msgspec

from perdure.compiler import encode
from perdure.compiler.ir import Program
from perdure.compiler.runtime import EvalError
from perdure.engine.definitions import startable
from perdure.engine.errors import Conflict, PerdureError, UserError
from perdure.engine.events import (
    EventRaised,
    ExecutionStarted,
)
from perdure.engine.header import instance_tags, start_due, with_place
from perdure.engine.ids import ordered_id
from perdure.engine.instance import Instance, Status, id_problem, slot_of
from perdure.engine.linked import LinkedProgram
from perdure.engine.looking import Looking
from perdure.engine.requests import (
    Ask,
    Together,
    carry_out,
    keyed_request,
    message_to,
    outcome,
    payload_of,
    schema_error,
)
from perdure.engine.store.rows import Checkpoint, Definition, IfExists, Message, Request
from perdure.engine.views import instance_view, parse_time

_POLICIES: tuple[str, ...] = get_args(IfExists)


class Start(NamedTuple):
    """What ``Starts.start`` is given."""

    workflow: str
    input: Any = None
    id: str | None = None
    tags: Mapping[str, str] | None = None
    if_exists: str = "reject"
    start_at: str | None = None
    delay: float | None = None
    event: str | None = None
    payload: Any = None


class _Begun(NamedTuple):
    """The id of what was started, and what was written of it, where this process knows that."""

    id: str
    made: Checkpoint | None = None


class Starts(Looking):
    """The part of a client that starts instances."""

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
        ask = self._ask(
            startable(self._definition(*_named(workflow))),
            Start(workflow, input, id, tags, if_exists, start_at, delay, event, payload),
            request_key,
        )
        earlier = self._carry_out(ask)
        return self.instance(ask.message.instance if earlier is None else earlier.answer)

    def start_many(self, starts: Sequence[Start], *, request_key: str | None = None) -> list[str | Exception]:
        """Start all of them, each on its own; returns for each the id, or what ``start`` raises.

        They are durable when this returns. With a ``request_key`` the call may be repeated, with the same
        starts in the same order.
        """
        keys = [None if request_key is None else f"{request_key}/{n}" for n in range(len(starts))]
        begun = self._begin(list(zip(starts, keys, strict=True)))
        return [each if isinstance(each, Exception) else each.id for each in begun]

    def start_each(self, starts: Sequence[tuple[Start, str | None]]) -> list[dict[str, Any] | Exception]:
        """What ``start`` returns or raises for each of them, which is asked for under its request key.

        They share a look at the definitions, a commit if there is room, and a look at what has come of those
        that this process has not just written.
        """
        begun = self._begin(starts)
        unseen = [each.id for each in begun if isinstance(each, _Begun) and each.made is None]
        read = iter(self.documents(unseen) if unseen else ())
        shown = (each if isinstance(each, Exception) else outcome(_shown, each.made) for each in begun)
        return [next(read) if each is None else each for each in shown]

    def _begin(self, starts: Sequence[tuple[Start, str | None]]) -> list[_Begun | Exception]:
        """What has come of each start, or why it is not begun. What goes wrong with one is its own affair."""
        known: dict[str, Definition | PerdureError] = {}
        together = Together()

        def asked(start: Start, key: str | None) -> Ask:
            return self._ask(self._startable(start.workflow, known), start, key, together)

        asks = [outcome(asked, *each) for each in starts]
        made = [each for each in asks if isinstance(each, Ask)]
        finish = self._finishing(made, together)
        return [each if isinstance(each, Exception) else outcome(_begun, each, finish) for each in asks]

    def _startable(self, workflow: str, known: dict[str, Definition | PerdureError]) -> Definition:
        """The definition, looked up once for all who ask."""
        if workflow not in known:
            try:
                known[workflow] = startable(self._definition(*_named(workflow)))
            except PerdureError as error:
                known[workflow] = error
        found = known[workflow]
        if isinstance(found, PerdureError):
            raise found
        return found

    def _ask(
        self,
        definition: Definition,
        start: Start,
        request_key: str | None,
        answered: threading.Event | None = None,
    ) -> Ask:
        """A start that is to be carried out. Raises as ``start`` does."""
        program = self._linked(definition.program)
        request = None if request_key is None else keyed_request("start", "", request_key, _body(start))
        instance = self._new_instance(program, definition.version, start.id, start.tags)
        ask = self._start_ask(instance, program, start.input, None, request, answered=answered)
        ask.if_exists = _policy(start.if_exists)
        ask.new_id = start.id is None
        if due := self._due(start.start_at, start.delay):
            # When it is due, another instance may have the id.
            due = start_due(instance if ask.instance is None else ask.instance, due)
            ask.message = msgspec.structs.replace(ask.message, due=due, execution=instance.execution)
        if start.event is not None:
            ask.told = self._told(instance.id, program, start.event, start.payload)
        return ask

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
        asks, together = [], Together()
        for value in inputs:
            instance = self._new_instance(linked, program.version, None, None)
            asks.append(self._start_ask(instance, linked, value, None, None, answered=together))
            asks[-1].new_id = True
        finish = self._finishing(asks, together)
        for ask in asks:
            finish(ask)
        return [ask.message.instance for ask in asks]

    def _finishing(self, asks: Sequence[Ask], together: Together) -> Callable[[Ask], Request | None]:
        """How each comes to its answer: those for the owner in this process it hears of now, all at once."""
        here = [ask for ask in asks if self._is_for_us(ask)]
        if self.worker is not None and here:
            together.expect(len(here))
            self.worker.submit(*here)
        submitted = set(map(id, here))
        return lambda ask: ask.result() if id(ask) in submitted else carry_out(self.store, ask)

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
        value = payload_of(payload, "the payload")
        present = self.store.instance(instance_id)
        hears: LinkedProgram | str = program
        if present is not None and not present.status.ended:
            hears = self._programs.all([present.digest])[present.digest]
        check_event(hears, program.program.name if present is None else present.name, name, value)
        return message_to(instance_id, EventRaised(name=name, input=value), ordered_id())

    def _pinned(self, program: Program) -> str:
        """Store a Program; returns its digest."""
        digest = encode.digest(program)
        self.store.pin(digest, encode.encode(program))
        return digest

    def _new_instance(
        self, program: LinkedProgram, version: str, id: str | None, tags: Mapping[str, str] | None
    ) -> Instance:
        instance_id = ordered_id() if id is None else _valid_id(id)
        now = self.store.time()
        return Instance(
            id=instance_id,
            slot=slot_of(instance_id),
            name=program.program.name,
            version=version,
            digest=program.digest,
            status=Status.PENDING,
            execution=ordered_id(),
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
        answered: threading.Event | None = None,
    ) -> Ask:
        value = payload_of(value, "the input")
        problem = program.input_problem(value)
        if problem is not None:
            raise schema_error(f"the input of {instance.name!r} does not fit its schema: {problem}")
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
        if (program.tags or instance.tags) and (tags := _tags(program, instance, event)) != instance.tags:
            instance = msgspec.structs.replace(instance, tags=tags)
            event = msgspec.structs.replace(event, tags=tags)
        instance = _with_place(program, instance, event)
        if request is not None:
            request = msgspec.structs.replace(request, answer=instance.id)
        message = message_to(instance.id, event, f"{instance.execution}/start")
        if due := start_due(instance):
            message = msgspec.structs.replace(message, due=due, execution=instance.execution)
        return Ask(message, event, request, instance, program, answered=answered)


def check_form(start: Start) -> None:
    """Raises ``UserError`` for what can be no start, whatever is deployed."""
    _policy(start.if_exists)
    if start.id is not None:
        _valid_id(start.id)
    if start.start_at is not None:
        parse_time(start.start_at)


def _body(start: Start) -> dict[str, Any]:
    """What a start says, for its fingerprint."""
    said = start._asdict()
    body = {name: said.pop(name) for name in ("workflow", "input", "id")} | {"tags": start.tags or None}
    # What says nothing is left out, so that a request means what it meant before this could be said.
    named = ("if_exists", "start_at", "delay", "event")
    body |= {name: said[name] for name in named if said[name] not in (None, "reject")}
    return body | ({} if start.event is None else {"payload": start.payload})


def _named(workflow: str) -> tuple[str, str | None]:
    name, _, version = workflow.partition("@")
    return name, version or None


def _shown(made: Checkpoint | None) -> dict[str, Any] | None:
    """The document of an instance, as it was written when it was started."""
    if made is None or made.instance is None:
        return None
    texts = {row.key: row.value for row in made.payloads}
    return instance_view(made.instance, {key: texts.get(text, text) for key, text in texts.items()})


def _begun(ask: Ask, finish: Callable[[Ask], Request | None]) -> _Begun:
    """What was started. Raises why it was not."""
    earlier = finish(ask)
    return _Begun(ask.message.instance, ask.made) if earlier is None else _Begun(earlier.answer)


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


def check_event(program: LinkedProgram | str, workflow: str, name: str, value: Any) -> None:
    """Raises ``UserError`` for what this workflow never hears; without its Program nobody knows."""
    if isinstance(program, str):
        return
    if name not in program.event_names:
        raise _unknown_event(workflow, name, program.event_names)
    problem = program.event_problem(name, value)
    if problem is not None:
        raise schema_error(f"the payload of event {name!r} does not fit its schema: {problem}")


def _unknown_event(workflow: str, name: str, known: frozenset[str]) -> UserError:
    wanted = ", ".join(sorted(known))
    error = UserError(
        f"{workflow!r} has no event {name!r}",
        hint=f"it waits for: {wanted}" if wanted else "it waits for no event at all",
    )
    error.code = "unknown_event"
    return error


def _policy(text: str) -> IfExists:
    if text not in _POLICIES:
        raise UserError(f"if_exists is not {text!r}", hint=f"one of: {', '.join(_POLICIES)}")
    return cast("IfExists", text)


def _valid_id(instance_id: str) -> str:
    problem = id_problem(instance_id)
    if problem is not None:
        error = UserError(f"{instance_id!r}: {problem}")
        error.code = "invalid_id"
        raise error
    return instance_id


def _valid_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    if not tags:
        return {}
    for key, value in tags.items():
        payload_of(key + value, "a tag")
    return dict(tags)
