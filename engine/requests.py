"""What clients of this process ask the owner for, until they have their answer."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import msgspec

from perdure.engine import clock
from perdure.engine.addresses import is_entity
from perdure.engine.codec import encode_received, split_received
from perdure.engine.entity_owner import PRIVATE
from perdure.engine.errors import Conflict, Ended, NotFound, OutcomeUnknown, PerdureError, UserError
from perdure.engine.events import ExecutionMigrated, Received, is_reopening, kind
from perdure.engine.instance import MAX_ID, Instance, slot_of
from perdure.engine.linked import LinkedProgram
from perdure.engine.payload import BadPayload, to_json
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditEntry, Checkpoint, IfExists, Message, Request
from perdure.engine.turning import payload_rows

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""Characters that some database does not hold."""
_SORTED = json.JSONEncoder(sort_keys=True, default=dict)


class Ask:
    """A start (with an instance and its Program) or a message, and the place of its answer.

    ``event`` is what ``message`` holds, decoded. ``request`` makes it repeatable, ``audit`` says who asks,
    where that is to be known; both are written with its effect. ``doubtful``: it was in a batch of which
    nobody knows whether it was written. ``refusals`` counts the batches that were refused with nothing
    else in them. A start says what it means ``if_exists``, and the event that is ``told`` with it;
    ``new_id``: its id was made for it, so nobody has it. ``made`` is what this process wrote of a start's
    instance. Who waits for several asks gives them one event, ``answered``.
    """

    def __init__(
        self,
        message: Message,
        event: Any,
        request: Request | None,
        instance: Instance | None = None,
        program: LinkedProgram | None = None,
        *,
        audit: AuditEntry | None = None,
        if_exists: IfExists = "reject",
        told: Message | None = None,
        new_id: bool = False,
        answered: threading.Event | None = None,
    ) -> None:
        self.message = message
        self.event = event
        self.request = request
        self.key = None if request is None or request.route == PRIVATE else _key(request)
        """What makes it repeatable; a private request is answered under its key, and never repeated."""
        self.instance = instance
        self.program = program
        self.audit = audit
        self.if_exists = if_exists
        self.told = told
        self.new_id = new_id
        self.made: Checkpoint | None = None
        self.doubtful = False
        self.refusals = 0
        self._answered = threading.Event() if answered is None else answered
        self._over = False
        self._error: PerdureError | None = None
        self._earlier: Request | None = None

    @property
    def may_exist(self) -> bool:
        """Whether its id may be there: one made for it is only if its batch was written."""
        return not self.new_id or self.doubtful

    def in_database(self, present: Instance | None) -> bool:
        """Whether it is carried out there though the owner is here: there is more to do than to begin."""
        other = present is not None and self.if_exists != "reject"
        return self.instance is not None and (other or self.told is not None or self.message.due > 0)

    def answer(self, earlier: Request | None = None) -> None:
        """It is durable; ``earlier``: under the same key it was carried out before."""
        if not self._over:
            self._earlier, self._over = earlier, True
            self._answered.set()

    def fail(self, error: PerdureError) -> None:
        """It was not carried out."""
        if not self._over:
            self._error, self._over = error, True
            self._answered.set()

    def refuse(self, reason: str) -> None:
        """It went nowhere, and the owner says why: in words, or in one for what comes too late."""
        instance = f"instance {self.message.instance!r}"
        match reason:
            case "unknown":
                self.fail(NotFound(f"there is no {instance}"))
            case "ended":
                self.fail(Ended(f"{instance} has ended"))
            case "superseded":
                self.fail(Conflict(f"{instance} has begun anew meanwhile"))
            case _:
                refusable = is_reopening(self.event) or isinstance(self.event, ExecutionMigrated)
                self.fail((Conflict if refusable else PerdureError)(f"{instance}: {reason}"))

    def result(self) -> Request | None:
        """Wait for the answer; returns the earlier request, if there was one. Raises the refusal."""
        if not self._over:
            clock.wait(self._answered)
        assert self._over, "who waits for several asks waits for all of them"
        if self._error is not None:
            raise self._error
        return self._earlier


def _key(request: Request) -> tuple[str, str, str]:
    return request.route, request.target, request.key


def outcome(act: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer | Exception:
    """What it returns, or raises: of many that are asked for at once each has its own, expected or not."""
    try:
        return act(*arguments)
    except Exception as error:  # noqa: BLE001
        return error


class Together(threading.Event):
    """Is set when it was set so many times: the answers of that many asks, which are waited for as one."""

    def __init__(self) -> None:
        super().__init__()
        self._missing = 0
        self._counting = threading.Lock()

    def expect(self, count: int) -> None:
        """How many there will be; before the first of them."""
        self._missing = count
        if not count:
            super().set()

    def set(self) -> None:
        """One more of them is there."""
        with self._counting:
            self._missing -= 1
            over = self._missing <= 0
        if over:
            super().set()


class Finished(msgspec.Struct, frozen=True):
    """An activity's result on its way from its thread to the turns."""

    instance: str
    execution: str
    event: Any

    @property
    def key(self) -> tuple[str, int]:
        """The key of its task."""
        return self.execution, self.event.scheduled_seq


def keyed_request(route: str, target: str, key: str | None, body: Any) -> Request | None:
    """The row that makes a request repeatable; None without a key. Raises ``UserError`` for a bad one."""
    if key is None:
        return None
    if not 0 < len(key) <= MAX_ID or _NO_TEXT.search(key):
        problem = UserError(
            f"an idempotency key has 1 to {MAX_ID} characters, no U+0000 nor half of a surrogate pair",
            hint="a UUID is a good one",
        )
        problem.code = "invalid_key"
        raise problem
    text = _SORTED.encode(body)
    fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Request(route=route, target=target, key=key, fingerprint=fingerprint, answer="")


def carry_out(store: Store, ask: Ask) -> Request | None:
    """Do what a client asks straight in the database, for want of an owner in this process.

    Returns the earlier request under the same key. Raises ``NotFound``, ``Ended``, ``Conflict``.
    """
    if is_reopening(ask.event):
        earlier = store.reopen(ask.message, ask.request, ask.audit)
    elif is_entity(ask.message.instance):
        earlier = store.post(ask.message, ask.request, ask.audit)
    elif ask.instance is None:
        earlier = store.send(ask.message, ask.request, ask.audit)
    else:
        *_, payload = payload_rows(ask.instance.id, "input", ask.event.input)
        text, values = split_received(ask.event)
        message = msgspec.structs.replace(ask.message, event=text, values=values)
        earlier = store.start(
            ask.instance,
            payload,
            message,
            ask.request,
            ask.audit,
            if_exists=ask.if_exists,
            event=ask.told,
        )
    if earlier is not None:
        check_repeated(ask.request, earlier)
    return earlier


def check_repeated(request: Request | None, earlier: Request) -> None:
    """Raises ``Conflict`` unless the earlier request was the same one."""
    if request is not None:
        check_same(request, earlier)


def check_same(request: Request, earlier: Request) -> None:
    """Raises ``Conflict`` unless both ask for the same."""
    if earlier.fingerprint != request.fingerprint:
        conflict = Conflict(
            f"the idempotency key {earlier.key!r} was used for another request",
            hint="use a new key for a new request",
        )
        conflict.code = "idempotency_conflict"
        raise conflict


def check_doubtful(ask: Ask, present: Instance | None) -> bool:
    """Whether the batch of a doubtful ask was written; without a doubt False.

    A request with a key is looked up by it, a start is known by its execution. Raises ``OutcomeUnknown``
    where nothing tells.
    """
    if not ask.doubtful:
        return False
    ask.doubtful = False
    if ask.key is not None or (ask.instance is not None and present is None):
        return False
    if ask.instance is not None and present is not None and present.execution == ask.instance.execution:
        return True
    raise OutcomeUnknown(
        "the connection to the database broke; whether this was done is not known",
        hint="look before you ask again, or give requests an idempotency key",
    )


def message_to(instance_id: str, event: Received, message_id: str, execution: str | None = None) -> Message:
    """Something for an instance, or for one execution of it alone."""
    return Message(
        id=message_id,
        instance=instance_id,
        slot=slot_of(instance_id),
        kind=kind(event),
        event=encode_received(event),
        execution=execution,
    )


def payload_of(value: Any, what: str) -> Any:
    """The value as JSON. Raises ``UserError`` for what is none, or too large."""
    try:
        return to_json(value)
    except BadPayload as error:
        problem = UserError(f"{what} is not acceptable: {error}")
        problem.code = "payload"
        raise problem from None


def schema_error(text: str) -> UserError:
    """The refusal of a value that does not fit its schema."""
    error = UserError(text)
    error.code = "schema"
    return error
