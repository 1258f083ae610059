"""Clients: each wants one instance, and asks in whatever process there is until it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from perdure.engine import clock
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended, NotFound, OutcomeUnknown, StoreError
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.store.protocol import Store
from perdure.engine.worker import Worker
from tests.sim.documents.model import Document
from tests.sim.faults import FaultyStore, Network
from tests.sim.process import Process
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
    pause: bool
    rewind: bool
    started: bool = False
    maybe_terminated: bool = False
    maybe_canceled: bool = False
    rewound_from: str | None = None
    """The execution that is not the last one, once a rewind is acknowledged."""


class Clients:
    """All clients of a run."""

    def __init__(self, network: Network, processes: Sequence[Process], *, poll: int) -> None:
        self.unfinished = 0
        """How many clients want something yet."""
        self._network = network
        self._world = network.world
        self._hub = network.hub
        self._processes = processes
        self._poll = poll

    def serve(self, order: Order) -> None:
        """From now on a client sees to an order."""
        self.unfinished += 1
        self._world.spawn(f"client of {order.id}", partial(self._serve, order), order)

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
        self._rest(SECOND)
        self._until_done(order, "start", partial(self._start, order))
        order.started = True
        if order.pause:
            self._until_done(order, "suspend", lambda client: client.suspend(order.id, request_key="s"))
        for number in range(1, order.document.events + 1):
            self._rest(2 * SECOND)
            self._until_done(order, f"event {number}", partial(self._send, order, number))
        if order.pause:
            self._until_done(order, "resume", lambda client: client.resume(order.id, request_key="r"))
        if order.cancel:
            self._rest(10 * SECOND)
            order.maybe_canceled = True
            self._until_done(order, "cancel", lambda client: client.cancel(order.id, request_key="c"))
        if order.terminate:
            self._terminate(order)
        self.unfinished -= 1

    def _rest(self, longest: int) -> None:
        self._world.sleep(self._world.random.randrange(1, longest))

    # -- what they ask ----------------------------------------------------------------------------

    def _start(self, order: Order, client: Client) -> None:
        try:
            others = [each.program for each in order.children]
            client.run(order.program.program, order.input, id=order.id, others=others)
        except Conflict:
            assert self.status(order.id) is not None, "a start was refused, and nothing is there"

    def _send(self, order: Order, number: int, client: Client) -> None:
        client.raise_event(order.id, "Go", number, request_key=f"event {number}")

    def _terminate(self, order: Order) -> None:
        """Stop it, perhaps by mistake."""
        self._rest(10 * SECOND)
        order.maybe_terminated = True
        self._until_done(order, "terminate", lambda client: client.terminate(order.id, request_key="t"))
        while order.rewind and not self.ended(order):
            self._world.sleep(self._poll)
        if order.rewind:
            self._until_done(order, "rewind", partial(self._rewind, order))

    def _rewind(self, order: Order, client: Client) -> None:
        """It was terminated by mistake, unless it was faster."""
        row = self._hub.look().instance(order.id)
        assert row is not None, f"an acknowledged instance is not there: {order.id}"
        refusal = None
        try:
            client.rewind(order.id, request_key="w")
        except Conflict as conflict:
            refusal = str(conflict)
        if refusal is None:
            order.rewound_from = order.rewound_from or row.execution
        elif row.status is Status.TERMINATED and order.rewound_from is None:
            assert "inside a lock" in refusal, f"{order.id} is not rewound: {refusal}"

    # -- asking -----------------------------------------------------------------------------------

    def _until_done(self, order: Order, what: str, act: Callable[[Client], object]) -> None:
        """Ask in some process, or straight in the database, until there is an answer."""
        random, done = self._world.random, False
        while not done:
            there = [process for process in self._processes if not process.over]
            process = random.choice(there) if there and random.random() < 0.8 else None
            outcome: list[Exception | None] = []
            group = outcome if process is None else process
            asking = self._world.spawn(
                f"{order.id}: {what}", partial(self._ask, act, process, outcome), group
            )
            clock.wait(asking.done)
            error = outcome[0] if outcome else OutcomeUnknown("the process ended")
            self._world.note(f"client of {order.id}: {what}: {error or 'done'}")
            assert not isinstance(error, NotFound), f"an acknowledged instance is not there: {order.id}"
            done = error is None or isinstance(error, Ended)
            if not done:
                self._rest(SECOND)

    def _ask(
        self, act: Callable[[Client], object], process: Process | None, outcome: list[Exception | None]
    ) -> None:
        try:
            if process is None:
                act(Client(self._outside(outcome)))
            else:
                act(Client(process.store, cast("Worker", process)))
            outcome.append(None)
        except (StoreError, NotFound, Ended) as error:
            outcome.append(error)

    def _outside(self, group: object) -> Store:
        """The store as a process without a worker sees it, which only asks and ends."""
        crash = partial(self._world.kill, group)
        return cast("Store", FaultyStore(self._network, "outside", crash=crash, outside=True))
