"""One id again and again: replaced, restarted, purged; and instances that go by themselves."""

from __future__ import annotations

from functools import partial

import msgspec

from perdure.engine.client import Client
from perdure.engine.duties import REQUESTS_KEPT
from perdure.engine.errors import NotFound
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

LIFE = """\
dsl: perdure/1
name: life
version: 1.0.0
do:
  - worked: {{ call: Work, with: {{ label: "life ${{ input }}", n: "${{ input }}", fails: 0 }} }}
  - part: {{ call_workflow: part, with: "${{ input }}", instance_id: {part}, if_exists: replace_ended }}
  - if: ${{ input % 3 == 2 }}
    then:
      - raise: {{ error: Bad }}
  - return: ${{ [worked, part] }}
"""
PART = """\
dsl: perdure/1
name: part
version: 1.0.0
do:
  - worked: { call: Work, with: { label: "part ${ input }", n: "${ input }", fails: 0 } }
  - return: ${ worked }
"""
KEPT = """\
dsl: perdure/1
name: kept
version: 1.0.0
retention: {{ completed: {kept}, failed: {kept} }}
do:
  - worked: {{ call: Work, with: {{ label: kept, n: 1, fails: 0 }} }}
"""
LIVES = 3
ID, PART_ID, KEPT_ID = "often", "part-of-often", "soon-gone"


class Lives(Scene):
    """Each life has its number as input, and is over before the next one is asked for."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._purged = self.random.random() < 0.7
        self._asked_late = False

    def begin(self) -> None:
        """A client for the id, and one for what goes by itself."""
        kept = KEPT.format(kept=self.stage.time("2s", "10d"))
        entries = [deployed(LIFE.format(part=PART_ID)), deployed(PART), deployed(kept)]
        Client(self.stage.hub.outside()).deploy(entries)
        self.asking.spawn(ID, self._live)
        self.asking.spawn(KEPT_ID, self._keep)

    def _live(self) -> None:
        self.asking.rest(SECOND)
        for life in range(LIVES):
            again = life > 0 and self.random.random() < 0.4
            before = self._execution()
            self.stage.done(ID, f"life {life}", partial(_restarted if again else _replaced, life))
            while self._execution() == before:
                self.world.sleep(self.stage.poll)
            self._check(life)
            # Whoever asks for the id as it is gets it.
            answer = self.stage.done(ID, "reuse", partial(_reused, life))
            going = answer.error is None and answer.value["status"] == "Running"
            assert not going, f"{ID} goes on after its end: {answer.value}"
        if self._purged:
            answer = self.asking.until_done(ID, "purge", lambda client: client.purge(ID))
            gone = answer.error is None or (answer.doubtful and isinstance(answer.error, NotFound))
            assert gone, f"{ID} is not purged: {answer.error!r}"

    def _execution(self) -> str | None:
        row = self.stage.row(ID)
        return None if row is None else row.execution

    def _check(self, life: int) -> None:
        status = self.stage.until_ended(ID)
        wanted = Status.FAILED if life % 3 == 2 else Status.COMPLETED
        assert status is wanted, f"life {life} of {ID} is {status}"
        value = self.stage.store.payloads(ID).get("output")
        number = life * 2 + 1
        if wanted is Status.COMPLETED:
            assert value is not None, f"life {life} of {ID} has no output"
            assert msgspec.json.decode(value) == [number, number], f"life {life} of {ID} gives {value}"

    def _keep(self) -> None:
        """It is started once, is there or gone, and is gone in the end."""
        self.asking.rest(SECOND)
        began = self.world.now
        answer = self.asking.until_done(KEPT_ID, "start", _kept)
        # Whoever repeats a request after so long may have forgotten it too, and what it started may be gone.
        self._asked_late = answer.doubtful and self.world.now - began > REQUESTS_KEPT
        gone = answer.doubtful and isinstance(answer.error, NotFound)
        assert answer.error is None or gone or self._asked_late, f"{KEPT_ID} is refused: {answer.error!r}"
        while self.stage.row(KEPT_ID) is not None or not self.stage.times_done(KEPT_ID, "kept"):
            self.world.sleep(self.stage.poll)

    def account(self) -> None:
        """Each life has worked once, and nothing is left of what is purged."""
        for life in range(LIVES):
            times = self.stage.times_done(ID, f"life {life}")
            assert times == 1, f"life {life} of {ID} has worked {times} times"
            times = self.stage.times_done(PART_ID, f"part {life}")
            assert times == 1, f"the part of life {life} of {ID} has worked {times} times"
        times = self.stage.times_done(KEPT_ID, "kept")
        assert times == 1 or self._asked_late, f"{KEPT_ID} has worked {times} times"
        purged = {KEPT_ID} | ({ID, PART_ID} if self._purged else set())
        for table in ("history", "payloads", "inbox", "tasks", "timers"):
            left = [row for row in self.stage.hub.rows(table) if row["instance"] in purged]
            assert not left, f"something of a purged instance has remained in {table}: {left[:3]}"


def _replaced(life: int, client: Client) -> object:
    return client.start("life", life, id=ID, if_exists="replace_ended", request_key=f"life {life}")


def _reused(life: int, client: Client) -> dict[str, object]:
    return client.start("life", 99, id=ID, if_exists="reuse", request_key=f"again {life}")


def _restarted(life: int, client: Client) -> object:
    return client.restart(ID, life, request_key=f"life {life}")


def _kept(client: Client) -> object:
    return client.start("kept", id=KEPT_ID, request_key=KEPT_ID)
