"""Clients over HTTP that do not give up: they repeat a request, under its key, until somebody answers it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

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


class Desk(Customer):
    """Orders over HTTP."""

    def __init__(self, name: str, random: Random, patient: Patient) -> None:
        super().__init__(name, random)
        self._patient = patient
        self.tired = patient.tired
        self.stack.callback(patient.close)

    def place(self, id: str) -> None:
        """Start an instance, send it its events, move money; wait for most of them."""
        order = draw(self.random, id)
        started = self._ask(
            "start",
            lambda client: client.start(order.workflow, order.input, id=order.id, request_key=order.id),
        )
        assert started["id"] == order.id, started
        self.orders.append(order)
        for number, payload in enumerate(order.events):
            key = f"{order.id} {number}"
            self._send(order.id, payload, key)
        self._move(order.id)
        if self.random.random() < 0.7:
            self._expect(order)

    def _send(self, id: str, payload: int, key: str) -> None:
        self._ask("event", lambda client: client.raise_event(id, "Go", payload, request_key=key))

    def _move(self, key: str) -> None:
        """Call an account, or signal to it."""
        amount = self.random.randint(-9, 9)
        if self.random.random() < 0.5:
            self._ask(
                "signal", lambda client: client.signal_entity("Account@out", "add", amount, request_key=key)
            )
        else:
            self._ask("call", lambda client: _called(client, amount, key))
        self.moved["out"] += amount

    def _expect(self, order: Order) -> None:
        ended = self._ask("wait", lambda client: client.wait(order.id, 1.0))
        while ended["ended_at"] is None and not self.closed:
            ended = self._ask("wait", lambda client: client.wait(order.id, 1.0))
        if ended["ended_at"] is not None:
            assert ended["status"] == "Completed", f"{order} is {ended}"
            assert ended["output"] == order.output, f"{order} gives {ended['output']}"

    def _ask(self, kind: str, question: Callable[[Client], Answer]) -> Answer:
        answer = self._patient.ask(kind, question)
        self.answered += 1
        return answer


def _called(client: Client, amount: int, key: str) -> Any:
    answer = client.call_entity("Account@out", "add", amount, request_key=key)
    assert answer is not None, "a call without a time limit is answered"
    return answer["result"]
