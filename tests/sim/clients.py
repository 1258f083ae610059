"""Those who want an instance of a document: they start it, tell it what it waits for, and disturb it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended, NotFound, PerdureError
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram
from tests.sim.asking import Asking
from tests.sim.documents.model import Document
from tests.sim.hubs import Hub
from tests.sim.world import SECOND


@dataclass
class Order:
    """What a client wants: an instance of a document, and what may happen to it."""

    id: str
    document: Document
    program: LinkedProgram
    children: tuple[LinkedProgram, ...]
    input: dict[str, int]
    terminate: bool
    cancel: bool
    pause: int | None
    """After which of its events it is suspended, until all are sent."""
    rewind: bool
    curious: bool
    """Whether it is asked how far it is."""
    started: bool = False
    served: bool = False
    """Whether nothing more is asked."""
    maybe_terminated: bool = False
    maybe_canceled: bool = False
    rewound_from: str | None = None
    """The execution that is not the last one, once a rewind is acknowledged."""

    @property
    def stopped(self) -> bool:
        """Whether somebody may have kept it from its end."""
        return self.maybe_terminated or self.maybe_canceled


class Clients:
    """All of them; ``hub`` is for looking."""

    def __init__(self, asking: Asking, hub: Hub, *, poll: int) -> None:
        self._asking = asking
        self._world = asking.world
        self._hub = hub
        self._poll = poll

    def serve(self, order: Order) -> None:
        """From now on a client sees to an order."""
        self._asking.spawn(order.id, partial(self._serve, order))
        if order.document.published:
            self._asking.spawn(f"{order.id}: publisher", partial(self._publish, order))

    def status(self, instance_id: str) -> Status | None:
        """How an instance is, if there is one."""
        row = self._hub.look().instance(instance_id)
        return None if row is None else row.status

    def ended(self, order: Order) -> bool:
        """Whether its instance is at an end."""
        status = self.status(order.id)
        return status is not None and status.ended

    def _serve(self, order: Order) -> None:
        """Start the instance, send its events, disturb it."""
        self._asking.rest(SECOND)
        self._start(order)
        order.started = True
        for number in range(order.document.events + 1):
            if number > 0:
                self._tell(order, f"event {number}", partial(self._send, order, number))
            self._asking.rest(2 * SECOND)
            if number == order.pause:
                self._tell(order, "suspend", lambda client: client.suspend(order.id, request_key="s"))
            if order.curious:
                self._look(order)
        if order.pause is not None:
            self._asking.rest(5 * SECOND)
            self._tell(order, "resume", lambda client: client.resume(order.id, request_key="r"))
        if order.cancel:
            self._asking.rest(10 * SECOND)
            order.maybe_canceled = True
            self._tell(order, "cancel", lambda client: client.cancel(order.id, request_key="c"))
        if order.terminate:
            self._terminate(order)
        order.served = True

    def _tell(self, order: Order, what: str, act: Callable[[Client], object]) -> None:
        """Ask until it is done, or the instance has ended."""
        _passed(self._asking.until_done(order.id, what, act).error, Ended)

    # -- what they ask ----------------------------------------------------------------------------

    def _start(self, order: Order) -> None:
        others = [each.program for each in order.children]
        program = order.program.program
        answer = self._asking.until_done(
            order.id, "start", lambda client: client.run(program, order.input, id=order.id, others=others)
        )
        _passed(answer.error, Conflict)
        assert self.status(order.id) is not None, f"{order.id} was started, and is not there"

    def _send(self, order: Order, number: int, client: Client) -> None:
        client.raise_event(order.id, "Go", number, request_key=f"event {number}")

    def _look(self, order: Order) -> None:
        """Its own answer, while it goes on and afterwards; one that is Pending has none yet."""
        answer = self._asking.until_done(order.id, "query", lambda client: client.query(order.id, "total"))
        _passed(answer.error, Conflict)
        if answer.error is None:
            assert isinstance(answer.value, int), f"{order.id} says {answer.value} of its total"

    def _publish(self, order: Order) -> None:
        """Events by their content, each as soon as somebody waits for it."""
        for number in range(1, order.document.published + 1):
            payload = {"of": order.id, "n": number}
            publish = partial(_published, payload, f"{order.id}/{number}")
            while (answer := self._asking.until_done(order.id, f"publish {number}", publish)).error:
                _passed(answer.error, NotFound)
                if order.served and self.ended(order):
                    return
                self._world.sleep(self._poll)
            assert answer.value == [order.id], f"an event for {order.id} went to {answer.value}"

    def _terminate(self, order: Order) -> None:
        """Stop it, perhaps by mistake."""
        self._asking.rest(10 * SECOND)
        order.maybe_terminated = True
        self._tell(order, "terminate", lambda client: client.terminate(order.id, request_key="t"))
        while order.rewind and not self.ended(order):
            self._world.sleep(self._poll)
        if order.rewind:
            self._rewind(order)

    def _rewind(self, order: Order) -> None:
        """It was terminated by mistake, unless it was faster."""
        row = self._hub.look().instance(order.id)
        assert row is not None, f"an acknowledged instance is not there: {order.id}"
        answer = self._asking.until_done(
            order.id, "rewind", lambda client: client.rewind(order.id, request_key="w")
        )
        _passed(answer.error, Conflict)
        if answer.error is None:
            order.rewound_from = row.execution
        elif row.status is Status.TERMINATED:
            fair = "inside a lock" in str(answer.error) or "never began" in str(answer.error)
            assert fair, f"{order.id} is not rewound: {answer.error}"


def _published(payload: dict[str, object], key: str, client: Client) -> list[str]:
    return client.publish("Paid", payload, request_key=key)


def _passed(error: PerdureError | None, *expected: type[PerdureError]) -> None:
    """Let no refusal pass that nobody expects: what is acknowledged is there."""
    if error is not None and not isinstance(error, expected):
        raise AssertionError(f"a client is refused: {error!r}")
