"""What clients of this process ask the owner for, until they have their answer."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from perdure.engine.errors import Conflict, PerdureError
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram, encode_json
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Message, PayloadRow, Request


class Ask:
    """A start (with an instance and its Program) or a message, and the place of its answer.

    ``event`` is what ``message`` holds, decoded. ``request`` makes it repeatable.
    """

    def __init__(
        self,
        message: Message,
        event: Any,
        request: Request | None,
        instance: Instance | None = None,
        program: LinkedProgram | None = None,
    ) -> None:
        self.message = message
        self.event = event
        self.request = request
        self.instance = instance
        self.program = program
        self._answered = threading.Event()
        self._error: PerdureError | None = None
        self._earlier: Request | None = None

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What makes it repeatable."""
        request = self.request
        return None if request is None else (request.route, request.target, request.key)

    def answer(self, earlier: Request | None = None) -> None:
        """It is durable; ``earlier``: under the same key it was carried out before."""
        self._earlier = earlier
        self._answered.set()

    def fail(self, error: PerdureError) -> None:
        """It was not carried out."""
        self._error = error
        self._answered.set()

    def result(self) -> Request | None:
        """Wait for the answer; returns the earlier request, if there was one. Raises the refusal."""
        self._answered.wait()
        if self._error is not None:
            raise self._error
        return self._earlier


class Finished(msgspec.Struct, frozen=True):
    """An activity's result on its way from its thread to the turns."""

    instance: str
    execution: str
    event: Any
    task: tuple[str, int] | None


def carry_out(store: Store, ask: Ask) -> Request | None:
    """Do what a client asks straight in the database, for want of an owner in this process.

    Returns the earlier request under the same key. Raises ``NotFound``, ``Ended``, ``Conflict``.
    """
    if ask.instance is None:
        return store.send(ask.message, ask.request)
    value = encode_json(ask.event.input)
    payload = PayloadRow(instance=ask.instance.id, key="input", value=value)
    return store.start(ask.instance, payload, ask.message, ask.request)


def check_repeated(ask: Ask, earlier: Request) -> None:
    """Raises ``Conflict`` unless the earlier request was the same one."""
    if ask.request is not None and earlier.fingerprint != ask.request.fingerprint:
        conflict = Conflict(
            f"the idempotency key {earlier.key!r} was used for another request",
            hint="use a new key for a new request",
        )
        conflict.code = "idempotency_conflict"
        raise conflict
