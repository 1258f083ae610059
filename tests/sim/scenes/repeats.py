"""A client that asks everything again under the same key, as if it had no answer: it counts once (I1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from perdure.engine.client import Client
from perdure.engine.duties import REQUESTS_KEPT
from perdure.engine.errors import Ended
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
        self._late = False
        """Whether something was asked again after the time for which requests are remembered."""

    def begin(self) -> None:
        """One client."""
        Client(self.stage.hub.outside()).deploy([deployed(READER.format(letters=LETTERS))])
        self.asking.spawn("repeats", self._write)

    def _write(self) -> None:
        self.asking.rest(SECOND)
        first, *others = [answer["id"] for answer in self._repeated("start", _started)]
        more = sorted({*others} - {first})
        assert self._late or not more, f"one start under one key made {first} and {more}"
        for each in more:
            self.stage.done("repeats", "terminate", partial(_terminated, each))
        self._reader = first
        for number in range(1, LETTERS + 1):
            self._repeated(f"letter {number}", partial(_sent, first, number))
            self._repeated(f"count {number}", partial(_counted, number))
            self.asking.rest(SECOND)
        self.stage.until_ended(first)

    def _repeated(self, what: str, act: Callable[[Client], Any]) -> list[Any]:
        """What comes of asking now, and once or twice again."""
        began = self.world.now
        answers = [self._ask(what, act, began)]
        for _ in range(self.random.randint(1, 2)):
            self.asking.rest(self.random.choice([SECOND // 100, SECOND]))
            answers.append(self._ask(f"{what} again", act, began))
        return answers

    def _ask(self, what: str, act: Callable[[Client], Any], began: int) -> Any:
        answer = self.asking.until_done("repeats", what, act)
        self._late = self._late or self.world.now - began > REQUESTS_KEPT
        if self._late and isinstance(answer.error, Ended):
            return None
        assert answer.error is None, f"repeats: {what} is refused: {answer.error!r}"
        return answer.value

    def account(self) -> None:
        """Every letter was read once and in order, and counted once."""
        if self._late:
            return
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


def _terminated(id_: str, client: Client) -> None:
    client.terminate(id_, request_key="twice")


def _sent(id_: str, number: int, client: Client) -> None:
    client.raise_event(id_, "Letter", number, request_key=f"letter {number}")


def _counted(number: int, client: Client) -> None:
    client.signal_entity(COUNTED, "add", number, request_key=f"count {number}")
