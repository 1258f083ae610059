"""How a member joins the hub, sees who is gone, takes over, joins again, and leaves."""

from __future__ import annotations

import socket

from perdure.compiler.ir import IR_VERSION
from perdure.engine import clock
from perdure.engine.ids import new_id
from perdure.engine.requests import Finished
from perdure.engine.store.rows import Batch
from perdure.engine.store.rows import Worker as Member
from perdure.engine.workplace import Workplace


class Joining(Workplace):
    """The duties of a member towards the others."""

    def join(self) -> None:
        """Become a member under a new id."""
        member = self._member()
        self.store.join(member, self._lease)
        self._ids = [member.id]
        self._renewed = self._looked = clock.monotonic()
        self._look_at_members(self.store.time(), self._looked)

    def rejoin(self) -> None:
        """Take ourselves over under a new id; what the database does not have is fed again."""
        results, _ = self.owner.reset()
        for instance_id, each in results:
            assert each.execution is not None, "a result answers an execution"
            self.finished.append(Finished(instance_id, each.execution, each.event))
        self._ask_again(list(self._asks))
        member = self._member()
        self.slots = frozenset()
        # Should this be done though its answer is lost, the next try takes this id over too.
        self._ids.append(member.id)
        slots = self.store.rejoin(self._ids[:-1], member, self._lease)
        self._ids = [member.id]
        self._renewed = clock.monotonic()
        # A claim whose answer was lost is known to nobody.
        self.store.give_back(member.id, sorted(self.store.claimed(member.id) - self._here))
        if slots:
            self._took(slots)

    def leave(self) -> None:
        """Give back what was not begun, and the slots."""
        # What a shutdown cuts short did not kill anybody.
        self.store.give_back(self.id, sorted(self.store.claimed(self.id)))
        self.store.leave(self.id)

    def _member(self) -> Member:
        return Member(
            id=new_id(),
            host=socket.gethostname(),
            ir=IR_VERSION,
            reserve=self._reserve,
            activities=tuple(sorted(self._activities.names)),
            queues=self._queues,
            joined_at=self.store.time(),
        )

    def _commit_lease(self, tick: float) -> None:
        self.store.commit(Batch(worker=self.id, lease=self._lease))
        self._renewed = tick

    def _look_at_members(self, now: int, tick: float) -> None:
        """Take over from the dead, and the slots that nobody owns; forget what others may have changed."""
        self.owner.upgrades.forget()
        for victim in self.store.gone(self.id):
            self.store.take_over(self.id, victim, None)
        self._claims &= self._activities.running
        if self._claims:
            # Whoever owns the instances deletes the rows of tasks that nobody waits for any more.
            self._activities.cancel(self._claims - self.store.claimed(self.id))
        if self.slots and self.store.fail_silent(self.id, self._page):
            self._news = True
        others = [worker for worker in self.store.workers() if worker.id != self.id]
        for victim, lease in self._watch.suspects(others, now, tick):
            self.store.take_over(self.id, victim, lease)
        if self.slots:
            return
        if set(self.store.owned_slots()) - {self.id}:
            self._free_since = None
            return
        self._free_since = tick if self._free_since is None else self._free_since
        servers = [worker for worker in others if worker.turns and not worker.reserve]
        if not (self._reserve and servers) or tick - self._free_since >= 1.0:
            slots = self.store.take_slots(self.id)
            if slots:
                self._took(slots)

    def _took(self, slots: frozenset[int]) -> None:
        """The slots are ours: what only their last owner kept going is found before anything else."""
        takeover = self.store.load_open(slots)
        digests = {each.instance.digest for each in takeover.loaded}
        programs = self.programs.all(digests)
        now = self.store.time()
        self._suspects.took(self.store.crashes(self.id), self.store.suspected(), clock.monotonic())
        self.owner.take_over(takeover, programs, self._here, now, self._suspects.others)
        self.slots = slots
        self._news = self._tasks_news = self._types_news = True
        self._types_seen.clear()
