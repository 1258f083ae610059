"""Random calls: most of them sensible, as far as the reference's rows tell, and some of them not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.engine.instance import SLOTS
from perdure.engine.store.rows import Beat, QueueRow
from tests.differential.calls import Call
from tests.differential.draw import QUEUES, Draw
from tests.differential.script_access import Access
from tests.differential.script_clients import Clients
from tests.differential.script_reads import Reads
from tests.differential.script_turns import Turns
from tests.engine.store.factory import SECOND, audited, result, worker

WEIGHTS = {"commit": 14, "start": 3, "purge": 2, "reopen": 2, "redeliver": 3, "discard": 2, "claim": 4,
           "beat": 3, "publish": 3, "pass_time": 6, "take_slots": 4, "kill": 3, "fail_silent": 3,
           "take_over": 6, "release_slots": 3, "groom": 3, "purge_ended": 3, "crashes": 2,
           "count_ended": 2}  # fmt: skip
"""How often a call is drawn, where it is not once; ``commit`` fills the tables."""


class Script(Turns, Access, Clients, Reads):
    """The calls that a seed makes, as far as the reference's answers allow."""

    def next(self) -> Call:
        """Some call."""
        alone = not self.model.workers() and self.some(60)
        make: Callable[[], Call] = self.join if alone else getattr(self, self.random.choice(_DRAWN))
        call = make()
        if call.method in {"join", "rejoin", "close"}:
            return call
        return call._replace(connection=int(self.some(30)))

    # -- the world --------------------------------------------------------------------------------

    def pass_time(self) -> Call:
        """The clock of every store goes on."""
        return Call("pass_time", (self.random.choice([1, 1000, SECOND // 4, SECOND, 5 * SECOND]),))

    def kill(self) -> Call:
        """A worker's process is over."""
        return Call("kill", (self.member(),))

    def close(self) -> Call:
        """A connection is closed, and opened again; workers are never on the second one."""
        return Call("close", connection=1)

    def changed(self) -> Call:
        return Call("changed")

    # -- membership -------------------------------------------------------------------------------

    def join(self) -> Call:
        id_ = self.new_worker() if self.some(85) else self.member()
        new = worker(
            id_,
            activities=self.sample(["mail", "pay"], 60),
            queues=self.sample(QUEUES, 30),
            turns=self.some(80),
            reserve=self.some(10),
        )
        return Call("join", (new, self.random.randint(1, 60) * SECOND))

    def rejoin(self) -> Call:
        old = [self.member() for _ in range(self.random.randint(0, 2))]
        return Call("rejoin", (old, worker(self.new_worker() if self.some(90) else self.member()), SECOND))

    def leave(self) -> Call:
        return Call("leave", (self.member(),))

    def workers(self) -> Call:
        return Call("workers")

    def gone(self) -> Call:
        return Call("gone", (self.member(),))

    def take_over(self) -> Call:
        killed = [one.id for one in self.model.workers() if one.id in self.model._killed]
        late = [one.id for one in self.model.workers() if one.lease_until < self.now()]
        likely = [*killed, *late]
        victim = self.random.choice(likely) if likely and self.some(80) else self.member()
        row = self.model._workers.get(victim)
        seen = row.lease_until if row is not None else 1
        lease = self.random.choice([None, None, seen, seen, seen, seen + 1])
        return Call("take_over", (self.member(), victim, lease), marks=("gone" if lease is None else "seen",))

    def take_slots(self) -> Call:
        some = self.random.sample(range(SLOTS), self.random.randint(1, SLOTS))
        return Call("take_slots", (self.member(), *([some] if self.some(40) else [])))

    def release_slots(self) -> Call:
        member = self.member()
        mine = [slot for slot, owner in self.model.slot_owners().items() if owner == member]
        slots = self.random.sample(mine, self.random.randint(0, len(mine)))
        tasks = self._adopted() if self.some(30) else ()
        return Call("release_slots", (member, slots if self.some(90) else [*slots, 7], tasks))

    def slot_owners(self) -> Call:
        return Call("slot_owners")

    def drain(self) -> Call:
        member = self.member()
        return Call("drain", (member, audited(member) if self.some(50) else None))

    def crashes(self) -> Call:
        return Call("crashes", (self.member(),))

    def calm(self) -> Call:
        return Call("calm", (self.member(),))

    def begin_turn(self) -> Call:
        return Call("begin_turn", (self.member(), self.id()))

    def suspected(self) -> Call:
        return Call("suspected")

    def owned_slots(self) -> Call:
        return Call("owned_slots")

    # -- tasks ------------------------------------------------------------------------------------

    def claim(self) -> Call:
        suspects = self.random.choice([None, 0, 1, 2])
        return Call(
            "claim",
            (
                self.member(),
                self.sample(["mail", "pay"], 80),
                self.sample(["@i", "@j"], 60),
                self.random.randint(0, 6),
                self.random.choice([1, 2, 3, 5]),
            ),
            {
                "queues": self.sample(QUEUES, 70),
                "suspects": suspects,
                "after": self.random.choice(["", "", "a", "b"]),
            },
        )

    def beat(self) -> Call:
        member = self.member()
        beats = []
        for execution, seq in self.held_by(member):
            task = self.model._tasks.get((execution, seq))
            beats.append(
                Beat(
                    instance=task.instance if task else self.id(),
                    execution=execution,
                    seq=seq,
                    path=self.random.choice(["a", "b.c"]),
                    details=self.text() if self.some(70) else None,
                    forget=self.some(20),
                )
            )
        return Call("beat", (member, beats))

    def hand_over(self) -> Call:
        member = self.member()
        return Call("hand_over", (member, self.held_by(member)))

    def give_back(self) -> Call:
        member = self.member()
        return Call("give_back", (member, self.held_by(member)))

    def fail_silent(self) -> Call:
        return Call("fail_silent", (self.member(), self.random.randint(1, 4)))

    def answer(self) -> Call:
        execution, seq = self.task_key()
        task = self.model._tasks.get((execution, seq))
        of = task.instance if task else self.id()
        return Call("answer", (result(seq, of, execution=execution), (execution, seq)))

    def record(self) -> Call:
        keys = list(dict.fromkeys(self.task_key() for _ in range(self.random.randint(1, 3))))
        rows = self.model._tasks
        results = [
            result(seq, rows[execution, seq].instance if (execution, seq) in rows else self.id(),
                   execution=execution)
            for execution, seq in keys
        ]  # fmt: skip
        return Call("record", (results, keys))

    def set_queue(self) -> Call:
        name = self.random.choice(QUEUES)
        settings = QueueRow(
            name=name,
            interval=self.random.choice([1, SECOND, 5 * SECOND]),
            burst=self.random.randint(1, 3),
            next_at=self.random.choice([0, 0, self.now() + SECOND]),
        )
        audit = audited(name) if self.some(30) else None
        return Call("set_queue", (name, settings if self.some(60) else None, audit))


def _calls() -> list[str]:
    names: dict[str, Any] = {}
    for each in reversed(Script.__mro__):
        names |= vars(each)
    helpers = vars(Draw)
    return [name for name in names if not name.startswith("_") and name not in helpers and name != "next"]


KINDS = _calls()
"""Everything that is drawn."""
_DRAWN = [name for name in KINDS for _ in range(WEIGHTS.get(name, 1))]
