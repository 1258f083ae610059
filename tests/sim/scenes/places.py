"""Instances of one key, of which only some may go on at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from perdure.engine.client import Client
from perdure.engine.errors import Ended
from perdure.engine.instance import Instance, Status
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

LIMITED = """\
dsl: perdure/1
name: limited
version: 1.0.0
concurrency: {{ key: "limited/${{ input.limit }}", limit: "${{ input.limit }}" }}
do:
  - worked: {{ call: Work, with: {{ label: inside, n: 1, fails: 0 }} }}
  - nap: {{ wait: {nap} }}
  - return: ${{ worked }}
"""


class Places(Scene):
    """Some are told to stop, before they have a place or after."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._limit = self.random.randint(1, 2)
        self._ids = [f"limited-{number}" for number in range(self.random.randint(3, 5))]
        self._stopped: set[str] = set()

    def begin(self) -> None:
        """Each has a client of its own."""
        text = LIMITED.format(nap=self.stage.time("1s", "9h"))
        Client(self.stage.hub.outside()).deploy([deployed(text)])
        for id_ in self._ids:
            self.asking.spawn(id_, partial(self._serve, id_))

    def _serve(self, id_: str) -> None:
        self.asking.rest(SECOND)
        start = partial(_started, id_, self._limit)
        self.stage.done(id_, "start", start)
        if self.random.random() < 0.2:
            self.asking.rest(20 * SECOND)
            self._stopped.add(id_)
            stop = self.random.choice([_terminated, _canceled])
            self.stage.refused(id_, "stop", partial(stop, id_), Ended)
        self.stage.until_ended(id_)

    def written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """Nobody has a place too many."""
        if name not in {"commit", "start"}:
            return
        going = [row.id for id_ in self._ids if (row := self.stage.row(id_)) is not None and _goes_on(row)]
        assert len(going) <= self._limit, f"{going} go on at once, of which {self._limit} may"

    def account(self) -> None:
        """Each has done its work, once, unless it was stopped."""
        for id_ in self._ids:
            row, times = self.stage.row(id_), self.stage.times_done(id_, "inside")
            assert row is not None, id_
            assert row.status is Status.COMPLETED or id_ in self._stopped, f"{id_} is {row.status}"
            assert times == 1 or (id_ in self._stopped and times == 0), f"{id_} has worked {times} times"


def _goes_on(row: Instance) -> bool:
    return row.status in {Status.RUNNING, Status.SUSPENDED}


def _started(id_: str, limit: int, client: Client) -> object:
    return client.start("limited", {"limit": limit}, id=id_, request_key=id_)


def _terminated(id_: str, client: Client) -> object:
    return client.terminate(id_, request_key="stop")


def _canceled(id_: str, client: Client) -> object:
    return client.cancel(id_, request_key="stop")
