"""Completing activities from outside: the part of ``Client`` that takes tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine.caller import Caller
from perdure.engine.codec import whole_events
from perdure.engine.errors import Conflict, Ended, NotFound, UserError
from perdure.engine.events import Event, TaskCompleted, TaskFailed, TaskScheduled
from perdure.engine.instance import Instance
from perdure.engine.payload import BadPayload, to_json
from perdure.engine.sealing import result_message
from perdure.engine.tokens import Place, place_of

Answer = TaskCompleted | TaskFailed


class Completing(Caller):
    """The methods of a client."""

    def complete_token(self, token: str, result: Any = None) -> dict[str, Any]:
        """Give the activity of a token its result; the step's ``output`` is applied to it.

        The same again changes nothing. Raises ``NotFound`` for a token that is none, ``Ended`` when nobody
        waits for the activity any more, ``Conflict`` when it was completed otherwise, ``UserError`` for a
        result that is not acceptable.
        """
        place, instance, scheduled, events = self._open_task(token)
        value = _json(result, "the result")
        try:
            output = self._programs.get(instance.digest).output_of(scheduled.path)
            if output is not None:
                value = _json(output({"result": value}, None), "the output of the step")
        except EvalError as error:
            raise _refused("schema", f"the output of the step cannot be computed: {error.message}") from None
        return self._answer(place, instance, TaskCompleted(scheduled_seq=place.seq, result=value), events)

    def fail_token(
        self, token: str, error: str, message: str = "", *, data: Any = None, retryable: bool = True
    ) -> dict[str, Any]:
        """Let the activity of a token fail; ``complete_token`` says the rest."""
        place, instance, _, events = self._open_task(token)
        if not error:
            raise _refused("invalid", "an error has a name")
        failed = TaskFailed(
            scheduled_seq=place.seq,
            error=_json(error, "the error"),
            message=_json(message, "the message"),
            data=_json(data, "the data"),
            retryable=retryable,
        )
        return self._answer(place, instance, failed, events)

    def _open_task(self, token: str) -> tuple[Place, Instance, TaskScheduled, list[tuple[int, Event]]]:
        """The task of a token, its instance and the history of that."""
        place = place_of(self.store.token_key(), token)
        if place is None:
            raise NotFound("there is no such token")
        instance = self.store.instance(place.instance)
        if instance is None:
            raise NotFound(f"the instance {place.instance!r} of this token is not there any more")
        events = self._since(instance, []) if instance.execution == place.execution else []
        scheduled = next((event for seq, event in events if seq == place.seq), None)
        if not isinstance(scheduled, TaskScheduled):
            raise Ended(f"nobody waits for this any more: instance {instance.id!r} has gone on without it")
        return place, instance, scheduled, events

    def _since(self, instance: Instance, seen: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
        """The events of a generation behind those that were seen."""
        after = seen[-1][0] + 1 if seen else 0
        rows = self.store.history(instance.id, instance.generation, after, 2**31)
        return [
            each for row in rows for each in enumerate(whole_events(row.events, row.values), row.first_seq)
        ]

    def _answer(
        self, place: Place, instance: Instance, answer: Answer, events: list[tuple[int, Event]]
    ) -> dict[str, Any]:
        """Send the answer, unless there is one. What comes first counts, here or in the instance's turn."""
        told, changed = _told(events, place.seq), False
        if told is None and not instance.status.ended:
            message = result_message(place.instance, instance.slot, place.execution, answer)
            before = self.store.answer(message, (place.execution, place.seq))
            if before is not None:
                told = msgspec.json.decode(before.event, type=Answer)
            else:
                # Another answer, if it was taken since we looked, is in the history by now.
                told, changed = _told(self._since(instance, events), place.seq) or answer, True
        if told == answer:
            return {"changed": changed}
        if isinstance(told, Answer):
            raise Conflict("this token was used already, with another result")
        raise Ended(f"nobody waits for this any more: instance {instance.id!r} has gone on without it")


def _told(events: list[tuple[int, Event]], seq: int) -> Event | None:
    """The first answer to a task."""
    return next((event for _, event in events if getattr(event, "scheduled_seq", None) == seq), None)


def _json(value: Any, what: str) -> Any:
    try:
        return to_json(value)
    except BadPayload as error:
        raise _refused("payload", f"{what} is not acceptable: {error}") from None


def _refused(code: str, text: str) -> UserError:
    error = UserError(text)
    error.code = code
    return error
