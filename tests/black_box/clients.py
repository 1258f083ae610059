"""Clients over HTTP that do not give up: they repeat a request, under its key, until somebody answers it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

from perdure.client import Client, Unreachable
from perdure.engine import clock
from perdure.engine.errors import Overloaded, StoreError
from tests.black_box.customers import PATIENCE, Customer
from tests.black_box.orders import Order, draw

Answer = TypeVar("Answer")

ANSWER_SECONDS = 10.0
"""How long a client waits for an answer before it asks again, or somebody else."""
PAUSE = 0.1
TROUBLES = (Unreachable, StoreError, Overloaded)
"""What a client hears of a server that is not there, or cannot say."""


class Patient:
    """Asks one server after the other, until one of them answers."""

    def __init__(
        self, urls: Sequence[str], counts: Counter[str], *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._all = [Client(url, timeout=answer_seconds) for url in urls]
        self._clients = itertools.cycle(self._all)
        self._client = next(self._clients)
        self._counts = counts
        self.tired = threading.Event()
        """Set when nothing more is to be asked again."""

    def close(self) -> None:
        """Close all connections."""
        for each in self._all:
            each.close()

    def ask(self, kind: str, question: Callable[[Client], Answer]) -> Answer:
        """The answer. Whoever asks gives the request a key, so that it counts once."""
        until = clock.monotonic() + PATIENCE
        while True:
            try:
                return self.ask_once(kind, question)
            except TROUBLES:
                if clock.monotonic() > until or self.tired.is_set():
                    raise

    def ask_once(self, kind: str, question: Callable[[Client], Answer]) -> Answer:
        """The answer of the next server in turn. Raises one of ``TROUBLES``: then it may be done or not."""
        try:
            answer = question(self._client)
        except TROUBLES as error:
            self._counts[f"{kind}: {error.code}"] += 1
            self._client = next(self._clients)
            self.tired.wait(PAUSE)
            raise
        self._counts[f"{kind}: ok"] += 1
        return answer


class Wish(NamedTuple):
    """An order, and what the account ``out`` is given beside it: by a call, or by a signal."""

    order: Order
    amount: int
    called: bool


class Desk(Customer):
    """Orders over HTTP. ``witness`` hears of what was acknowledged: its kind and its key."""

    def __init__(
        self,
        name: str,
        random: Random,
        patient: Patient,
        witness: Callable[[str, str], None] = lambda _kind, _key: None,
    ) -> None:
        super().__init__(name, random)
        self.wishes: list[Wish] = []
        """Everything that was asked for, acknowledged or not."""
        self._patient = patient
        self._witness = witness
        self.tired = patient.tired
        self.stack.callback(patient.close)

    def place(self, id: str) -> None:
        """Start an instance, send it its events, move money; wait for most of them."""
        order = draw(self.random, id)
        wish = Wish(order, self.random.randint(-9, 9), self.random.random() < 0.5)
        self.wishes.append(wish)
        started = self._ask(
            "start",
            id,
            lambda client: client.start(order.workflow, order.input, id=id, request_key=id),
        )
        assert started["id"] == id, started
        self.orders.append(order)
        for key, payload in order.sent.items():
            self._send(id, payload, key)
        self._move(wish)
        if self.random.random() < 0.7:
            self._expect(order)

    def _send(self, id: str, payload: int, key: str) -> None:
        self._ask("event", key, lambda client: client.raise_event(id, "Go", payload, request_key=key))

    def _move(self, wish: Wish) -> None:
        key, amount = wish.order.id, wish.amount
        if wish.called:
            self._ask("call", key, lambda client: _called(client, amount, key))
        else:
            self._ask(
                "signal",
                key,
                lambda client: client.signal_entity("Account@out", "add", amount, request_key=key),
            )
        self.moved["out"] += amount

    def _expect(self, order: Order) -> None:
        ended = self._wait(order)
        while ended["ended_at"] is None and not self.closed:
            ended = self._wait(order)
        if ended["ended_at"] is not None:
            self._witness("end", order.id)
            assert ended["status"] == "Completed", f"{order} is {ended}"
            assert ended["output"] == order.output, f"{order} gives {ended['output']}"

    def _wait(self, order: Order) -> dict[str, Any]:
        return self._patient.ask("wait", lambda client: client.wait(order.id, 1.0))

    def _ask(self, kind: str, key: str, question: Callable[[Client], Answer]) -> Answer:
        answer = self._patient.ask(kind, question)
        self.answered += 1
        self._witness(kind, key)
        return answer


def _called(client: Client, amount: int, key: str) -> Any:
    answer = client.call_entity("Account@out", "add", amount, request_key=key)
    assert answer is not None, "a call without a time limit is answered"
    return answer["result"]
