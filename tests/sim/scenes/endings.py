"""Instances that several clients want to end, each in its own way and at about the same time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from perdure.engine.client import Client
from perdure.engine.errors import Ended
from perdure.engine.instance import Status
from tests.sim.asking import Answer
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

ENDING = """\
dsl: perdure/1
name: ending
version: 1.0.0
do:
  - go: { wait_for_event: Go, timeout: never }
"""
IDS = ("ending-0", "ending-1", "ending-2")


def _go(id_: str, client: Client) -> None:
    client.raise_event(id_, "Go", request_key="go")


def _terminate(id_: str, client: Client) -> object:
    return client.terminate(id_, request_key="terminate")


def _cancel(id_: str, client: Client) -> object:
    return client.cancel(id_, request_key="cancel")


WAYS: dict[Status, Callable[[str, Client], object]] = {
    Status.COMPLETED: _go,
    Status.TERMINATED: _terminate,
    Status.CANCELED: _cancel,
}


class Endings(Scene):
    """What came of it stays (C10), and who came too late is told so."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._answers: dict[tuple[str, Status], Answer] = {}

    def begin(self) -> None:
        """Some instances, each with its clients."""
        Client(self.stage.hub.outside()).deploy([deployed(ENDING)])
        for id_ in IDS:
            self.asking.spawn(id_, partial(self._start, id_))

    def _start(self, id_: str) -> None:
        self.asking.rest(SECOND)
        self.stage.done(id_, "start", partial(_started, id_))
        for status in WAYS:
            self.asking.spawn(f"{id_}: {status}", partial(self._end, id_, status))

    def _end(self, id_: str, status: Status) -> None:
        self.asking.rest(self.random.choice([SECOND // 100, SECOND // 5]))
        answer = self.asking.until_done(id_, f"to be {status}", partial(WAYS[status], id_))
        late = isinstance(answer.error, Ended)
        assert answer.error is None or late, f"{id_} is not {status}: {answer.error!r}"
        self._answers[id_, status] = answer
        self.stage.until_ended(id_)

    def account(self) -> None:
        """Each has ended in a way that somebody was told it would."""
        for id_ in IDS:
            row = self.stage.row(id_)
            assert row is not None, id_
            assert row.status in WAYS, f"{id_} is {row.status}"
            answer = self._answers[id_, row.status]
            assert answer.error is None or answer.doubtful, f"{id_} is {row.status}: {answer.error!r}"


def _started(id_: str, client: Client) -> object:
    return client.start("ending", id=id_, request_key=id_)
