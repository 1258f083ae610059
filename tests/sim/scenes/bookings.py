"""A saga that breaks or is canceled, perhaps in the middle of its undoing: all is undone, in order."""

from __future__ import annotations

from perdure.compiler.ir import Program
from perdure.engine.client import Client
from perdure.engine.codec import whole_events
from perdure.engine.errors import Ended
from perdure.engine.instance import Status
from perdure.engine.linked import link
from tests.engine.books import audit
from tests.sim.scenes.stage import Scene, Stage, deployed
from tests.sim.world import SECOND

PARTS = 3
BOOKING = """\
dsl: perdure/1
name: booking
version: 1.0.0
do:
  - trip:
      try:
        - booked:
            saga:
{parts}
              - nap: {{ wait: {nap} }}
              - if: ${{ input }}
                then:
                  - broken: {{ call: Break, with: broken }}
              - mark: {{ call: Work, with: {{ label: mark, n: 1, fails: 0 }} }}
      catch: [{{ errors: [Broken], do: [{{ output: nothing }}] }}]
"""
PART = """\
              - part{number}:
                  call: Work
                  with: {{ label: "do {number}", n: 1, fails: 0 }}
                  compensate:
                    on: attempted
                    call: Work
                    with: {{ label: "undo {number}", n: 1, fails: 1 }}
                    retry: {{ attempts: 2, delay: {delay} }}"""
ID = "booking"


class Bookings(Scene):
    """One instance; who cancels it may come at any time, or never."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._breaks = self.random.random() < 0.7
        self._canceled = self.random.random() < 0.8
        parts = [PART.format(number=number, delay=stage.time("2s", "20d")) for number in range(PARTS)]
        self._deployment = deployed(BOOKING.format(parts="\n".join(parts), nap=stage.time("1s", "5d")))

    def begin(self) -> None:
        """One instance."""
        Client(self.stage.hub.outside()).deploy([self._deployment])
        self.asking.spawn(ID, self._serve)

    def _serve(self) -> None:
        self.asking.rest(SECOND)
        self.stage.done(ID, "start", self._started)
        if self._canceled:
            self._rest()
            self.stage.refused(ID, "cancel", _canceled, Ended)
        self.stage.until_ended(ID)

    def _rest(self) -> None:
        """Until some part is done, or undone if that is to be expected; or just for a while."""
        wanted = self.random.choice([None, *self._labels("undo" if self._breaks else "do")])
        while wanted and not (self.stage.times_done(ID, wanted) or self._has_ended()):
            self.world.sleep(self.stage.poll)
        self.asking.rest(2 * SECOND)

    def _has_ended(self) -> bool:
        row = self.stage.row(ID)
        return row is not None and row.status.ended

    def account(self) -> None:
        """What was done in it and has not ended well is undone, the last one first, each once."""
        row = self.stage.row(ID)
        assert row is not None, ID
        wanted = {Status.COMPLETED, Status.CANCELED} if self._canceled else {Status.COMPLETED}
        assert row.status in wanted, f"{ID} is {row.status}"
        program = self._deployment.program
        assert isinstance(program, Program), "a booking is a workflow"
        rows = self.stage.store.history(ID, row.generation, 0, 1_000_000)
        books = audit(
            link(program), [event for each in rows for event in whole_events(each.events, each.values)]
        )
        left = {saga: undos for saga, undos in books.lists.items() if undos}
        assert not left, f"{ID} is {row.status} and has not undone {left}"
        done = [label for instance, label in self.stage.ledger.own if instance == ID]
        undone = [label for label in done if label.startswith("undo")]
        assert undone == self._labels("undo")[: len(undone)][::-1], f"{ID} has undone {undone}"
        once = all(self.stage.times_done(ID, label) == 1 for label in undone)
        assert once, f"{ID} has undone something under two keys"
        if row.status is Status.COMPLETED:
            wanted_undos = PARTS if self._breaks else 0
            assert len(undone) == wanted_undos, f"{ID} has undone {undone}, and breaks: {self._breaks}"

    @staticmethod
    def _labels(what: str) -> list[str]:
        return [f"{what} {number}" for number in range(PARTS)]

    def _started(self, client: Client) -> object:
        return client.start("booking", self._breaks, id=ID, request_key=ID)


def _canceled(client: Client) -> object:
    return client.cancel(ID, request_key="stop")
