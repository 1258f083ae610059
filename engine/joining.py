"""How a member joins the hub, sees who is gone, takes over, joins again, and leaves."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, islice

import msgspec

from perdure.compiler.ir import IR_VERSION
from perdure.engine import clock
from perdure.engine.errors import OutcomeUnknown, Refused, StoreError
from perdure.engine.ids import new_id
from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.open_work import task_rows
from perdure.engine.requests import Finished
from perdure.engine.running import Input
from perdure.engine.sharing import PATIENCE, candidates, missing, share
from perdure.engine.store.rows import Batch, Key, TaskRow, TimerRow
from perdure.engine.store.rows import Worker as Member
from perdure.engine.tasks import HandedOver
from perdure.engine.workplace import Workplace

GIVEN_AT_ONCE = 64
"""Slots that are given away between two turns: what is running in them has to be read and written."""

GIVEN_TASKS = 2_000
"""Tasks that run here and get rows with that, unless one slot has more: no lease runs out meanwhile."""

REPLAYED_AT_ONCE = 500
"""Instances that are brought into memory between two looks whether the lease is to be renewed."""

_log = logging.getLogger("perdure.worker")


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
        handed = self.owner.handed_over
        results, _ = self.owner.reset()
        self._feed_again(results)
        self._ask_again(list(self._asks))
        self.finished.extend(
            Finished(row.instance, row.execution, HandedOver(scheduled_seq=row.seq, row=row))
            for row in handed
        )
        member = self._member()
        self.slots = frozenset()
        # Should this be done though its answer is lost, the next try takes this id over too.
        self._ids.append(member.id)
        slots = self.store.rejoin(self._ids[:-1], member, self._lease)
        self._ids = [member.id]
        self._renewed = clock.monotonic()
        self.moved()
        # A claim whose answer was lost is known to nobody.
        self.store.give_back(member.id, sorted(self.store.claimed(member.id) - self._here))
        if slots:
            self._took(slots)

    @property
    def leaving(self) -> bool:
        """Whether it is to give its slots to others and leave."""
        return self._draining

    def drain(self) -> None:
        """From now on give slots to others, if there are any who may have them, and take nothing more.

        May be called from any thread.
        """
        self._draining, self._looked = True, float("-inf")

    @property
    def giving(self) -> bool:
        """Whether slots are still to be given away before this one leaves."""
        return self._shares and self._draining and bool(self.slots) and self._has_heirs

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
            turns=self._takes_turns,
            reserve=self._reserve,
            activities=tuple(sorted(self._activities.names)),
            queues=self._queues,
            joined_at=self.store.time(),
            draining=self._draining,
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
        if self._has_chores and self.store.fail_silent(self.id, self._page):
            self._news = True
        workers = self.store.workers()
        others = [worker for worker in workers if worker.id != self.id]
        for victim, lease in self._watch.suspects(others, now, tick):
            self.store.take_over(self.id, victim, lease)
        self._see_who_leaves(workers)
        if not self._takes_turns:
            return
        if self._shares:
            self._share_slots(workers, now, tick)
        elif not (self.slots or self._draining):
            self._take_all_slots(others, tick)

    def _see_who_leaves(self, workers: Sequence[Member]) -> None:
        """Whether this one is to leave: it was told to by somebody, or it tells the others."""
        asked = any(each.draining for each in workers if each.id == self.id)
        if self._draining and not asked:
            self.store.drain(self.id)
        self._draining = self._draining or asked

    def _take_all_slots(self, others: Sequence[Member], tick: float) -> None:
        """One owner has them all; a reserve takes them where others are only if these do not."""
        if set(self.store.owned_slots()) - {self.id}:
            self._free_since = None
            return
        self._free_since = tick if self._free_since is None else self._free_since
        servers = [worker for worker in others if worker.turns and not worker.reserve]
        if not (self._reserve and servers) or tick - self._free_since >= PATIENCE:
            slots = self.store.take_slots(self.id)
            if slots:
                self._took(slots)

    def _share_slots(self, workers: Sequence[Member], now: int, tick: float) -> None:
        """Take and give, so that all who take turns have about as many."""
        owners = self.store.slot_owners()
        mine = frozenset(slot for slot, owner in owners.items() if owner == self.id)
        if not self.slots <= mine:
            raise OutcomeUnknown("slots that were ours are not any more")
        if mine - self.slots:
            # They were taken, and then something went wrong.
            self._took(mine - self.slots)
        able = self._unserved.heard(self._able(workers))
        among = candidates(self.id, able, owners, now)
        take, give = share(self.id, among, owners)
        self._has_heirs = bool(among)
        free = [slot for slot in range(SLOTS) if slot not in owners]
        unserved = [] if self._draining else self._unserved.seen(free, tick)
        if unserved:
            self._unserved.blame(missing(among, owners).keys() - {self.id}, able)
        if wanted := sorted({*take, *unserved}):
            self._took(self.store.take_slots(self.id, wanted) - self.slots)
        elif give:
            self._give(give if self._draining else give[-GIVEN_AT_ONCE:])

    def _able(self, workers: Sequence[Member]) -> list[Member]:
        """The workers, without this one if it is about to leave."""
        return [each for each in workers if not (self._draining and each.id == self.id)]

    def _give(self, ordered: Sequence[int]) -> None:
        """Give slots to whoever takes them. What runs here for them goes on, with rows that say so."""
        if not self.owner.settled:
            return
        running = self.owner.running_here(ordered)
        slots = _few(ordered, running)
        rows = dict[Key, TaskRow]()
        for each in self.store.load([id_ for id_ in running if slot_of(id_) in slots]):
            rows |= {key: row for key, row in task_rows(each).items() if key in running[each.instance.id]}
        try:
            self.store.release_slots(self.id, sorted(slots), list(rows.values()))
        except Refused as error:
            # Memory and database disagree: read everything anew.
            raise OutcomeUnknown(str(error)) from error
        self._claims.update(rows)
        self.slots -= slots
        results, unanswered = self.owner.let_go(slots)
        self._feed_again(results)
        self._ask_again(unanswered)
        self.moved()
        _log.info("gave %d slots to others, %d are left here", len(slots), len(self.slots))

    def _feed_again(self, results: Iterable[tuple[str, Input]]) -> None:
        """Results that no turn has heard of, for whoever is to hear of them now."""
        for instance_id, each in results:
            assert each.execution is not None, "a result answers an execution"
            self.finished.append(Finished(instance_id, each.execution, each.event))

    def _took(self, slots: frozenset[int]) -> None:
        """The slots are ours: what only their last owner kept going is found before anything else."""
        if not slots:
            return
        takeover = self.store.load_open(slots, lambda: self._stay(clock.monotonic()))
        digests = {each.instance.digest for each in takeover.loaded}
        programs = self.programs.all(digests)
        now = self.store.time()
        crashes, suspected = self.store.crashes(self.id), self.store.suspected()
        timers = self._timers_of(slots)
        self._suspects.took(crashes, suspected, clock.monotonic())
        waiting = iter(takeover.loaded)
        while some := tuple(islice(waiting, REPLAYED_AT_ONCE)):
            part = msgspec.structs.replace(takeover, loaded=some)
            self.owner.take_over(part, programs, self._here, now, self._suspects.others)
            try:
                self._stay(clock.monotonic())
            except StoreError as error:
                # Some are in memory, and the slots are not ours yet: read everything anew.
                raise OutcomeUnknown(f"a takeover was cut short: {error}") from error
        self.owner.timers.read(timers, 0)
        self.slots |= slots
        self._news = self._tasks_news = self._types_news = True
        self._types_seen.clear()
        if self._shares:
            _log.info("took %d slots, %d are here now", len(slots), len(self.slots))

    def _stay(self, tick: float) -> None:
        """Renew the lease in time."""
        if tick - self._renewed >= self._lease / 3_000_000:
            self._commit_lease(tick)

    def _timers_of(self, slots: frozenset[int]) -> list[TimerRow]:
        """The timers of slots that are new here, as far as those of the others are in memory."""
        horizon, limit = self.owner.timers.horizon, self._page
        if not horizon:
            return []
        rows = self.store.timers(slots, horizon, limit)
        while len(rows) == limit:
            limit *= 2
            rows = self.store.timers(slots, horizon, limit)
        return rows


def _few(slots: Sequence[int], running: Mapping[str, Collection[Key]]) -> frozenset[int]:
    """The first of the slots in which no more is running, by instances, than may be given away at once."""
    tasks = Counter[int]()
    for instance_id, keys in running.items():
        tasks[slot_of(instance_id)] += len(keys)
    counts = accumulate(tasks[slot] for slot in slots)
    return frozenset(slots[: max(sum(count <= GIVEN_TASKS for count in counts), 1)])
