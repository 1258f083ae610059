"""Messages of clients to instances: events, and what operators say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from perdure.compiler import encode
from perdure.engine import audit, publishing
from perdure.engine.caller import missing, unusable
from perdure.engine.errors import NotFound, Unfit, UserError
from perdure.engine.events import (
    EventRaised,
    ExecutionCanceled,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    Received,
)
from perdure.engine.ids import ordered_id
from perdure.engine.instance import Instance, Status
from perdure.engine.requests import Ask, Together, keyed_request, message_to, outcome, payload_of
from perdure.engine.starts import Starts, check_event
from perdure.engine.store.rows import Request


class Raise(NamedTuple):
    """What ``Telling.raise_event`` is given."""

    instance: str
    name: str
    payload: Any = None
    request_key: str | None = None


class Telling(Starts):
    """The part of a client that speaks to instances."""

    def raise_event(
        self, instance_id: str, name: str, payload: Any = None, *, request_key: str | None = None
    ) -> None:
        """Send an event. With a ``request_key`` it may be repeated and is delivered once.

        Raises ``NotFound``, ``Ended``, ``UserError`` for a name that the workflow neither declares nor
        waits for, and for a payload that does not fit.
        """
        (error,) = self.raise_each([Raise(instance_id, name, payload, request_key)])
        if error is not None:
            raise error

    def raise_each(self, raises: Sequence[Raise]) -> list[Exception | None]:
        """What ``raise_event`` raises for each of them, in their order; None for what is durable.

        They share a look at the instances, and a commit if there is room.
        """
        try:
            rows = self.store.look_up(list(dict.fromkeys(each.instance for each in raises)), [], []).instances
        except Unfit as error:
            # An id that this database cannot even look for is the fault of one of them.
            return [error] if len(raises) == 1 else [self.raise_each([each])[0] for each in raises]
        together = Together()
        asks = [outcome(self._raise_ask, each, rows.get(each.instance), together) for each in raises]
        finish = self._finishing([each for each in asks if isinstance(each, Ask)], together)
        ends = [each if isinstance(each, Exception) else outcome(finish, each) for each in asks]
        return [each if isinstance(each, Exception) else None for each in ends]

    def _raise_ask(self, said: Raise, row: Instance | None, answered: Together) -> Ask:
        """An event that is to be sent. Raises as ``raise_event`` does."""
        value = payload_of(said.payload, "the payload")
        if row is None:
            raise missing(said.instance)
        program = self._programs.all([row.digest])[row.digest]
        if not row.status.ended:
            # One that has is told by who looks up the key first: a repeated request is no mistake.
            check_event(program, row.name, said.name, value)
        request = keyed_request(
            "event", said.instance, said.request_key, {"name": said.name, "payload": value}
        )
        event = EventRaised(name=said.name, input=value)
        return Ask(message_to(said.instance, event, ordered_id()), event, request, answered=answered)

    def publish(
        self, name: str, payload: Any = None, *, start: str | None = None, request_key: str | None = None
    ) -> list[str]:
        """Send an event to every instance that waits for it now by its content; returns their ids.

        When nobody does, an instance of the workflow ``start`` is started, with the payload as its input, and
        gets the event. With a ``request_key`` it may be repeated and is delivered once. Raises ``NotFound``
        when nobody waits for it, ``UserError`` for a payload that does not fit.
        """
        value = payload_of(payload, "the payload")
        request = keyed_request(
            "publish", name, request_key, {"payload": value, **({"start": start} if start else {})}
        )
        started = ("start", "", request_key or "")
        if start is None or started not in self.store.look_up([], [], [started]).requests:
            try:
                return publishing.publish(self.store, self._programs, name, value, request)
            except encode.UnknownProgram as error:
                raise unusable(error) from error
            except NotFound:
                if start is None:
                    raise
        return [self.start(start, value, event=name, payload=value, request_key=request_key)["id"]]

    def suspend(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """Let the instance wait until it is resumed; events are kept. Raises ``NotFound``, ``Ended``."""
        request = keyed_request("suspend", instance_id, request_key, {"reason": reason})
        event = ExecutionSuspended(reason=reason)
        is_so = self._row(instance_id).status is Status.SUSPENDED
        return self._tell_once(instance_id, event, request, is_so, "instance.suspend")

    def resume(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """Let a suspended instance go on. Raises ``NotFound``, ``Ended``."""
        request = keyed_request("resume", instance_id, request_key, {"reason": reason})
        event = ExecutionResumed(reason=reason)
        going = self._row(instance_id).status in {Status.PENDING, Status.RUNNING}
        return self._tell_once(instance_id, event, request, going, "instance.resume")

    def cancel(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """End the instance after its cleanup: ``finally`` and compensations. Raises ``NotFound``, ``Ended``.

        To cancel it once more changes nothing. A suspended instance hears of it when it is resumed.
        """
        request = keyed_request("cancel", instance_id, request_key, {"reason": reason})
        return self._tell(instance_id, ExecutionCanceled(reason=reason), request, "instance.cancel")

    def terminate(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]:
        """End the instance at once, without cleanup. Raises ``NotFound``, ``Ended``."""
        request = keyed_request("terminate", instance_id, request_key, {"reason": reason})
        return self._tell(instance_id, ExecutionTerminated(reason=reason), request, "instance.terminate")

    def _tell(
        self, instance_id: str, event: Received, request: Request | None, action: str | None = None
    ) -> dict[str, Any]:
        """Send a message; one with an ``action`` is an operator's act."""
        said = None
        if action is not None:
            reason: str | None = getattr(event, "reason", None)
            if reason is not None and "\0" in reason:
                # The message would be kept, and the turn that hears it refused: its instance would be parked.
                raise UserError("a reason has no character U+0000")
            said = audit.entry(self.actor, action, instance_id, reason=reason)
        self._carry_out(Ask(message_to(instance_id, event, ordered_id()), event, request, audit=said))
        return {"changed": True}

    def _tell_once(
        self, instance_id: str, event: Received, request: Request | None, is_so: bool, action: str
    ) -> dict[str, Any]:
        """Tell, even when it ``is_so`` already: the opposite may be in the inbox and not carried out yet."""
        self._tell(instance_id, event, request, action)
        return {"changed": not is_so}
