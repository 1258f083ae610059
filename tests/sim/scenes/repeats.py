"""A client that asks everything again under the same key, as if it had no answer: it counts once (I1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from perdure.engine.client import Client
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

LETTERS = 4
READER = """\
dsl: perdure/1
name: reader
version: 1.0.0
do:
  - letter: {{ wait_for_event: Letter, timeout: never }}
  - if: "${{ size(input) < {letters} - 1 }}"
    then:
      - continue_as_new: {{ input: "${{ input + [letter] }}", events: carry }}
  - return: "${{ input + [letter] }}"
"""
COUNTED = "Tally@letters"


class Repeats(Scene):
    """It starts an instance, whose id it is told, and sends it letters; an entity counts them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._reader = ""

    def begin(self) -> None:
        """One client."""
        Client(self.stage.hub.outside()).deploy([deployed(READER.format(letters=LETTERS))])
        self.asking.spawn("repeats", self._write)

    def _write(self) -> None:
        self.asking.rest(SECOND)
        first, *others = [answer["id"] for answer in self._repeated("start", _started)]
        assert others == [first] * len(others), f"one start under one key made {[first, *others]}"
        self._reader = first
        for number in range(1, LETTERS + 1):
            self._repeated(f"letter {number}", partial(_sent, first, number))
            self._repeated(f"count {number}", partial(_counted, number))
            self.asking.rest(SECOND)
        self.stage.until_ended(first)

    def _repeated(self, what: str, act: Callable[[Client], Any]) -> list[Any]:
        """What comes of asking now, and once or twice again."""
        answers = [self.stage.done("repeats", what, act).value]
        for _ in range(self.random.randint(1, 2)):
            self.asking.rest(self.random.choice([SECOND // 100, SECOND]))
            answers.append(self.stage.done("repeats", f"{what} again", act).value)
        return answers

    def account(self) -> None:
        """Every letter was read once and in order, and counted once."""
        row, output = self.stage.row(self._reader), self.stage.store.payloads(self._reader).get("output")
        assert row is not None and row.status is Status.COMPLETED, f"{self._reader} is {row}"  # noqa: PT018
        wanted = list(range(1, LETTERS + 1))
        read = msgspec.json.decode(output or "null")
        assert read == wanted, f"I1: the letters {read} were read, not {wanted}"
        (entity,) = self.stage.store.load_entities([f"@{COUNTED}"])
        total = msgspec.json.decode(entity.state or "0")
        assert total == sum(wanted), f"I1: {COUNTED} is {total}, not {sum(wanted)}"


def _started(client: Client) -> Any:
    return client.start("reader", [], request_key="reader")


def _sent(id_: str, number: int, client: Client) -> None:
    client.raise_event(id_, "Letter", number, request_key=f"letter {number}")


def _counted(number: int, client: Client) -> None:
    client.signal_entity(COUNTED, "add", number, request_key=f"count {number}")
