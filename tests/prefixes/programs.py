"""Random Programs, run in random order with crashes, and every prefix of every history replayed.

The documents are those of ``tests.sim.documents``, with what they come to; the hub is the engine tests' own,
on one thread. What happens to them is drawn from the seed: the order in which activities end and events come,
when the process dies, whether memory is kept between turns, and whether somebody suspends or ends them.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from perdure.engine.claims import MAX_DELIVERIES
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.store.memory import MemoryStore
from tests.engine.driver import Hub, compiled
from tests.engine.prefixes import state_of
from tests.sim.documents import make
from tests.sim.documents.entities import TALLY
from tests.sim.documents.model import Document
from tests.sim.ledger import ACTIVITIES, Ledger

MAX_ROUNDS = 5000


class Watched(Hub):
    """A hub that notes the states in its memory after each commit, to be compared with replays."""

    def __init__(self, memory: int) -> None:
        super().__init__(memory=memory)
        self.manual = True
        self.states: dict[tuple[str, str], dict[int, bytes]] = {}
        """Of each execution, by the ``seq`` that came next."""
        self.registry = Ledger().registry(ACTIVITIES)
        self.carried_out = 0
        self.crashes = 0
        self.join()

    def round(self) -> bool:
        """One round of the worker, and a look at what it has in memory then."""
        commits = self.commits
        busy = super().round()
        if self.commits > commits:
            for one in list(self.owner._hot):
                machine = self.live(one) if self.store.instance(one) else None
                rows = self.rows(one) if machine is not None and machine.state.begun else []
                if machine is not None and rows:
                    states = self.states.setdefault((one, machine.started.execution), {})
                    states[rows[-1].next_seq] = state_of(machine)
        return busy

    def crash(self) -> None:
        """The process dies; tasks that ran in it are handed out again."""
        super().crash()
        self.crashes += 1
        self.carried_out = len(self.operations)

    def work(self, random: Random | None) -> bool:
        """Let one activity or one entity's task end, in any order; whether there was one."""
        self._start([self._work(row) for row in self.claim()])
        waiting: list[Any] = [*self.open, *self.operations[self.carried_out :]]
        if not waiting:
            return False
        chosen = waiting[0] if random is None else random.choice(waiting)
        if isinstance(chosen, EntityTask):
            index = self.operations.index(chosen, self.carried_out)
            self.operations[self.carried_out], self.operations[index] = (
                chosen,
                self.operations[self.carried_out],
            )
            self.carried_out += 1
            self.carry_out(chosen)
        else:
            self.finish(chosen)
        return True


class Run:
    """One Program, and what has become of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"prefixes {seed}")
        self.document: Document = make(seed, long_time=True, alone=True)
        self.hub = Watched(self.random.choice([0, 64 << 20]))
        self.trouble = self.random.random() < 0.7
        """Whether processes die and somebody suspends it."""
        self.end = self.random.choice(["cancel", "terminate"]) if self.random.random() < 0.25 else None
        """How it is ended from outside, if it is."""
        self.sent = 0
        self.counts: Counter[str] = Counter()
        self.input = {"n": self.random.randrange(5), "round": 1}

    def run(self) -> None:
        """From the start to the end, and everything that it has started too."""
        hub = self.hub
        hub.entity(TALLY)
        for text in self.document.children:
            hub.deploy(text)
        hub.start(compiled(self.document.text), self.input)
        for _ in range(MAX_ROUNDS):
            if self._disturbed() and self.random.random() < 0.5:
                hub.round()
                continue
            hub.run()
            if hub.work(self.random if self.trouble else None):
                continue
            if self._hear():
                continue
            due = [
                time for time in (hub.store.next_timer(hub.slots), self._next_message()) if time is not None
            ]
            if due:
                hub.clock.now = max(hub.clock.now, min(due))
            elif hub.instance().status.ended:
                return
            else:
                hub.resume()
        raise AssertionError(f"still {hub.status()} after {MAX_ROUNDS} rounds")

    def _next_message(self) -> int | None:
        """When the next message is handed out that is for later: a signal to an entity, here."""
        assert isinstance(self.hub.store, MemoryStore), "looks into the tables"
        times = [row.due for _, row in self.hub.store._inbox.values() if row.due > self.hub.clock.now]
        return min(times, default=None)

    def _hear(self) -> bool:
        """The next event, if there is one."""
        if self.sent >= self.document.events or self.hub.instance().status.ended:
            return False
        self.sent += 1
        self.hub.raise_event("Go", self.sent)
        return True

    def _disturbed(self) -> bool:
        """Something happens, or not; whether things may now go in any order."""
        if not self.trouble:
            return False
        hub, chance = self.hub, self.random.random()
        if chance < 0.05:
            if self._poisonous():
                return True
            hub.crash()
            self.counts["crash"] += 1
        elif chance < 0.10:
            self._hear()
        elif chance < 0.12 and not hub.instance().status.ended:
            hub.suspend()
            hub.raise_event("Unheard")
            hub.resume()
            self.counts["suspend"] += 1
        elif chance < 0.22 and self.end is not None and not hub.instance().status.ended:
            (hub.cancel if self.end == "cancel" else hub.terminate)("enough")
            self.counts[self.end] += 1
            self.end = None
        elif 0.22 <= chance < 0.24:
            hub.lose_next()
            self.counts["lost commit"] += 1
        return True

    def _poisonous(self) -> bool:
        """Whether a task has been handed out so often that one more death of its worker ends it."""
        assert isinstance(self.hub.store, MemoryStore), "looks into the tables"
        return any(task.deliveries >= MAX_DELIVERIES for task in self.hub.store._tasks.values())

    def check(self) -> None:
        """Everything ended as the document says, and each prefix of each history replays."""
        hub, counts = self.hub, self.counts
        store = hub.store
        assert isinstance(store, MemoryStore), "looks into the tables"
        status = hub.status()
        if status not in {"Canceled", "Terminated"}:
            wanted, output, _ = self.document.run(self.input["n"])
            assert status == wanted, (status, wanted, store.payloads("i").get("error"))
            assert status == "Failed" or hub.output() == output
        for one in sorted(store._instances):
            counts["prefixes"] += hub.check(one, hub.states)
            row = hub.instance(one)
            counts[f"instance {row.status}"] += 1
            counts["histories"] += row.generation
            counts["events"] += sum(len(hub.events(one, each)) for each in range(1, row.generation + 1))
        counts["states in memory"] += sum(map(len, hub.states.values()))


def run(seed: int) -> Counter[str]:
    """Run the Program of a seed and check it; what there was."""
    one = Run(seed)
    one.run()
    one.check()
    return one.counts
