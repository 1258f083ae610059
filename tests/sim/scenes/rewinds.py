"""An instance that is terminated and rewound again and again: what it has done and said is not done again."""

from __future__ import annotations

from functools import partial

import msgspec

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

PARTS = 3
TIMES = 2
REWOUND = """\
dsl: perdure/1
name: rewound
version: 1.0.0
do:
  - parts:
      for_each: {parts}
      do:
        - worked: {{ call: Work, with: {{ label: "part ${{ item }}", n: 1, fails: 0 }} }}
        - signal_entity: {{ entity: Tally@rewound, op: add, with: 1 }}
        - nap: {{ wait: {nap} }}
"""
ID = "rewound"


class Rewinds(Scene):
    """One instance, and an entity that counts what it says."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._stopped = False
        """Whether it was terminated, and could not go on."""

    def begin(self) -> None:
        """One client."""
        text = REWOUND.format(parts=list(range(PARTS)), nap=self.stage.time("2s", "10d"))
        Client(self.stage.hub.outside()).deploy([deployed(text)])
        self.asking.spawn(ID, self._serve)

    def _serve(self) -> None:
        self.asking.rest(SECOND)
        self.stage.done(ID, "start", _started)
        for time in range(TIMES):
            wanted = f"part {self.random.randrange(time, PARTS)}"
            while not (self.stage.times_done(ID, wanted) or self._has_ended()):
                self.world.sleep(self.stage.poll)
            self.asking.rest(self.random.choice([SECOND // 1000, SECOND]))
            self.stage.refused(ID, "terminate", partial(_terminated, time), Ended)
            if self.stage.until_ended(ID) is not Status.TERMINATED:
                break
            before = self._execution()
            rewound = self.asking.until_done(ID, "rewind", partial(_rewound, time))
            if isinstance(rewound.error, Conflict) and "never began" in str(rewound.error):
                self._stopped = True
                return
            assert rewound.error is None or rewound.doubtful, f"{ID} is not rewound: {rewound.error}"
            while self._execution() == before:
                self.world.sleep(self.stage.poll)
        self.stage.until_ended(ID)

    def _execution(self) -> str | None:
        row = self.stage.row(ID)
        return None if row is None else row.execution

    def _has_ended(self) -> bool:
        row = self.stage.row(ID)
        return row is not None and row.status.ended

    def account(self) -> None:
        """Each part has one key, and was said once."""
        row = self.stage.row(ID)
        assert row is not None, ID
        if self._stopped:
            return
        assert row.status is Status.COMPLETED, f"{ID} is {row.status}"
        for part in range(PARTS):
            times = self.stage.times_done(ID, f"part {part}")
            assert times == 1, f"{ID} did part {part} under {times} keys"
        (entity,) = self.stage.store.load_entities(["@Tally@rewound"])
        said = msgspec.json.decode(entity.state or "0")
        assert said == PARTS, f"{ID} was heard {said} times, not {PARTS}"


def _started(client: Client) -> object:
    return client.start("rewound", id=ID, request_key=ID)


def _terminated(time: int, client: Client) -> object:
    return client.terminate(ID, request_key=f"terminate {time}")


def _rewound(time: int, client: Client) -> object:
    return client.rewind(ID, request_key=f"rewind {time}")
