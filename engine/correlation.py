"""Events that find who waits for them by what is in them: ``correlate`` of a wait, and its subscription.

A wait whose ``correlate`` says ``event.order == order.id && ...`` subscribes under the key that the right
side has when it begins, as long as it lasts. Who sends an event by its content computes the left side, and
every instance with that key gets the event; its machine checks the whole condition.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from perdure.compiler.runtime import EvalError

if TYPE_CHECKING:
    from perdure.engine.machine import Machine
    from perdure.engine.state import EventWait, Fiber

MAX_KEY = 200
"""Characters of a key as it stands in the database; of a longer one it is the hash."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """That the instruction ``op`` waits for events of a name which have a key.

    ``once``: the key is all that it asks for, and one event ends the wait.
    """

    event: str
    op: int
    key: str
    once: bool


def key_of(value: Any) -> str:
    """A text that is the same for values that are equal in an expression, and for no others."""
    text = msgspec.json.encode(_plain(value)).decode()
    return text if len(text) <= MAX_KEY else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _plain(value[name]) for name in sorted(value)}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


def accepts(machine: Machine, fiber: Fiber, payload: Any) -> bool:
    """Whether a wait takes the payload of an event. A condition that cannot be evaluated does not hold.

    What is sent by others must not be able to fail the instance, so the error is a line in the log.
    """
    op = machine.op(fiber)
    if op.correlate is None:
        return True
    machine.focus(fiber)
    fiber.frame[op.event_slot] = machine.program.payload_value(op.event, payload)
    try:
        return bool(op.correlate.condition(fiber.frame, machine.env))
    except EvalError as error:
        machine.log("warning", f"correlate of {op.event}: {error.message}", None)
        return False


def subscribe(machine: Machine, fiber: Fiber, wait: EventWait, key: str) -> None:
    """Be found by the key while the wait lasts."""
    op, state = machine.op(fiber), machine.state
    wait.subscription = state.next_subscription
    state.next_subscription += 1
    once = op.correlate.exact and not op.listed
    state.subscriptions[wait.subscription] = Subscription(event=op.event, op=fiber.pc - 1, key=key, once=once)
    machine.subscribed.append(wait.subscription)


def unsubscribe(machine: Machine, wait: EventWait) -> None:
    """The wait is over."""
    if wait.subscription is not None:
        del machine.state.subscriptions[wait.subscription]
        machine.unsubscribed.append(wait.subscription)


def passed_by(machine: Machine, name: str) -> None:
    """An event that was sent by its content has ended none of the waits for its name that go on.

    What is delivered to one that needs a single event takes its subscription, so these subscribe again.
    """
    for number, each in machine.state.subscriptions.items():
        if each.event == name and each.once and number not in machine.subscribed:
            machine.subscribed.append(number)
