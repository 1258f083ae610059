"""New versions in the middle of a run, which some instances go on with."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from perdure.engine.client import Client, Deployment
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

ROUNDS = 5
AGAIN = """\
dsl: perdure/1
name: again
version: {version}
do:
  - worked: {{ call: Work, with: {{ label: round, n: 1, fails: 0 }} }}
  - nap: {{ wait: {nap} }}
  - if: "${{ size(input) < {rounds} }}"
    then:
      - continue_as_new: {{ input: "${{ input + [workflow.version] }}", version: {wanted} }}
  - return: "${{ input + [workflow.version] }}"
"""
LONG = """\
dsl: perdure/1
name: long
version: {version}
do:
  - before: {{ call: Work, with: {{ label: before, n: 1, fails: 0 }} }}
  - go: {{ wait_for_event: Go, timeout: never }}
  - after: {{ call: Work, with: {{ label: "after {version}", n: 1, fails: 0 }} }}
  - return: ${{ workflow.version }}
"""


class Versions(Scene):
    """``again`` goes on with the newest one, or stays; ``long`` is migrated before it hears its event."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._wanted = self.random.choice(["latest", "pinned"])
        self._migrated = self.random.random() < 0.6

    def begin(self) -> None:
        """The first version is there before anybody starts."""
        Client(self.stage.hub.outside()).deploy(
            [self._again("1.0.0"), deployed(LONG.format(version="1.0.0"))]
        )
        self.asking.spawn("again", self._serve_again)
        self.asking.spawn("long", self._serve_long)
        self.asking.spawn("deployer", self._deploy)

    def _again(self, version: str) -> Deployment:
        nap = self.stage.time("1s", "9h")
        return deployed(AGAIN.format(version=version, nap=nap, rounds=ROUNDS, wanted=self._wanted))

    def _deploy(self) -> None:
        for version in ("1.1.0", "1.2.0"):
            self.asking.rest(10 * SECOND)
            entries = [self._again(version), deployed(LONG.format(version=version))]
            self.stage.done("deployer", version, partial(_deployed, entries))

    def _serve_again(self) -> None:
        self.stage.done("again", "start", partial(_started, "again"))
        self.stage.until_ended("again")

    def _serve_long(self) -> None:
        """It may have done its first step or not when it is migrated: both versions do the same there."""
        self.stage.done("long", "start", partial(_started, "long"))
        self.asking.rest(20 * SECOND)
        if self._migrated:
            while self.stage.refused("long", "migrate", _moved, Conflict, NotFound):
                # It is there when it is deployed, and can be moved when it has begun.
                self.world.sleep(self.stage.poll)
        self.stage.done("long", "event", lambda client: client.raise_event("long", "Go", request_key="go"))
        self.stage.until_ended("long")

    def account(self) -> None:
        """Rounds are neither lost nor done twice, and never by an older version than the one before."""
        ran = self._output("again")
        assert len(ran) == ROUNDS + 1, f"again went through {ran}"
        assert ran == sorted(ran), f"again went back: {ran}"
        assert self._wanted == "latest" or len(set(ran)) == 1, f"again was to stay, and went through {ran}"
        assert self.stage.times_done("again", "round") == len(ran), "again worked another number of times"
        version = self._output("long")
        assert version == "1.2.0" or not self._migrated, f"long is migrated, and runs {version}"
        assert self.stage.times_done("long", "before") == 1, "long was to work once before"
        assert self.stage.times_done("long", f"after {version}") == 1, f"long ends otherwise than {version}"

    def _output(self, id_: str) -> Any:
        row = self.stage.row(id_)
        assert row is not None, id_
        assert row.status is Status.COMPLETED, f"{id_} is {row.status}"
        return msgspec.json.decode(self.stage.store.payloads(id_)["output"])


def _deployed(entries: list[Deployment], client: Client) -> object:
    return client.deploy(entries)


def _started(name: str, client: Client) -> object:
    return client.start(name, [] if name == "again" else None, id=name, request_key=name)


def _moved(client: Client) -> object:
    return client.migrate("long", "1.2.0", request_key="move")
