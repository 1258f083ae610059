"""What an owner does about batches that were not committed, and about turns that cannot be taken."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from perdure.engine import orders, sealing
from perdure.engine.events import (
    ExecutionMigrated,
    TimerFired,
)
from perdure.engine.hot import Hot, Sealed, SealedTurn, Writes
from perdure.engine.instance import slot_of
from perdure.engine.residents import Residents
from perdure.engine.running import Input, Running
from perdure.engine.store.rows import OUTSIDE, TaskRow


class Losses(Residents):
    """The part of an owner that takes back what did not come to be: nothing of it was shown to anybody."""

    def lost(self, batches: Sequence[Sealed], *, refused: bool, now: int) -> list[str]:
        """Batches that were not committed, oldest first: take back what they did, and feed it again.

        What follows from no turn is written next and alone, since what is loaded and taken afterwards
        counts on it. Later ones are halved. When a batch was ``refused`` with one turn alone, that one's
        instance is parked, unless a client's message may be the reason. Returns ids of messages
        whose clients must ask again: nothing of them is left here.
        """
        rest = Writes()
        for sealed in batches:
            rest.extend(sealed.rest)
        rest.extend(self._rest)
        self._rest = rest
        self._rest_first = not rest.empty
        for sealed in reversed(batches):
            for turn in reversed(sealed.turns):
                self._take_back(turn)
            for done in reversed(sealed.entities):
                self.entities.take_back(done)
        turns, entities = batches[0].turns, batches[0].entities
        if (count := len(turns) + len(entities)) > 1:
            # It may as well have taken the database too long: as large again, it always would.
            self._limit = count // 2
            return []
        if not refused:
            return []
        if count and self._rest_first:
            # With something beside it, nobody knows yet whose fault it is.
            return []
        if turns:
            return self._give_up(turns[0].hot, now)
        if entities:
            return self.entities.give_up(entities[0], self._rest, now)
        return self._give_up_rest()

    def reset(self) -> tuple[list[tuple[str, Input]], list[str]]:
        """This worker's id is dead: drop everything, and return what the database does not have.

        That is results of activities, with their instances, and ids of messages whose clients must ask
        again.
        """
        results, unanswered = self.entities.reset()
        unanswered += [*self._rest.answers, *(message_id for message_id, _ in self._rest.refusals)]
        for hot in self._hot.values():
            for each in hot.pending + hot.excess:
                if each.message is not None and not each.stored:
                    unanswered.append(each.message.id)
                elif each.message is None and not isinstance(each.event, TimerFired):
                    results.append((hot.id, each))
        self.__init__(self._offers, memory=self._memory, turns=self._turns)  # type: ignore[misc]
        return results, unanswered

    @property
    def handed_over(self) -> list[TaskRow]:
        """Rows of tasks that are completed from outside, which no commit has written yet."""
        return [row for row in self._rest.adopt if row.worker == OUTSIDE]

    @property
    def settled(self) -> bool:
        """Whether everything but what waits for a turn is written, so that slots may be let go."""
        return self._rest.empty

    def running_here(self, slots: Collection[int]) -> dict[str, set[tuple[str, int]]]:
        """The open tasks that only this memory keeps going, by the instances of these slots."""
        return {
            hot.id: set(hot.eager) for hot in self._hot.values() if hot.eager and slot_of(hot.id) in slots
        }

    def let_go(self, slots: Collection[int]) -> tuple[list[tuple[str, Input]], list[str]]:
        """Slots are not ours any more: forget what is in them, and return what ``reset`` would of them.

        Only what is ``settled`` may go, with rows for those tasks that are ``running_here``.
        """
        results, unanswered, known = self.entities.let_go(slots)
        for hot in [each for each in self._hot.values() if slot_of(each.id) in slots]:
            assert not hot.uncommitted, "slots are let go between commits"
            for each in hot.pending + hot.excess:
                if each.message is not None:
                    (known if each.stored else unanswered).append(each.message.id)
                elif not isinstance(each.event, TimerFired):
                    results.append((hot.id, each))
            self._used -= self._resident.pop(hot.id, 0)
            self._hot.pop(hot.id)
            self._ready.pop(hot.id, None)
            self._wanted.pop(hot.id, None)
        known += [each.message.id for each in self._asked if each.message.slot in slots]
        known += [each.id for each in self._unreadable if each.slot in slots]
        self._asked = [each for each in self._asked if each.message.slot not in slots]
        self._unreadable = [each for each in self._unreadable if each.slot not in slots]
        self._accepted.difference_update(known)
        for message_id in unanswered:
            self._requests.pop(message_id, None)
        self.timers.let_go(slots)
        return results, unanswered

    def _take_back(self, turn: SealedTurn) -> None:
        hot = self._hot[turn.hot]
        hot.uncommitted -= 1
        hot.pending = turn.inputs + [each for each in hot.pending if each not in turn.inputs]
        hot.eager.difference_update(turn.eager)
        hot.eager.update(turn.eager_closed)
        hot.rows.difference_update(turn.rows)
        hot.rows.update(turn.rows_closed)
        hot.inserted = False
        hot.instance = turn.found
        hot.running = None if hot.fresh is None else Running(*hot.fresh)
        self._used -= self._resident.pop(hot.id, 0)
        self._ready.pop(hot.id, None)
        self._wake(hot)

    def _give_up(self, instance_id: str, now: int) -> list[str]:
        """The turn of one instance cannot be written."""
        hot = self._hot[instance_id]
        asked = [each.message.id for each in hot.pending if each.message is not None and not each.stored]
        if asked:
            hot.pending = [each for each in hot.pending if each.message is None or each.stored]
            if hot.fresh is not None:
                self._abandon(hot)
        else:
            inputs, hot.pending = hot.pending, []
            self._stop(hot, inputs, "refused: the database does not take what this turn writes", now)
        return asked

    def _abandon(self, hot: Hot) -> None:
        """A start that was only here is no more; what else came may be for another of that id."""
        hot.fresh = hot.running = None
        self._forget(hot)
        if hot.pending or hot.excess:
            self._ready.pop(hot.id, None)
            self._wake(hot)

    def _give_up_rest(self) -> list[str]:
        """What clients said, and cannot be written without a turn: they ask again."""
        asked, self._rest.answers = self._rest.answers, []
        self._rest.requests, self._rest.audit = [], []
        self._rest.messages = [message for message in self._rest.messages if message.id not in set(asked)]
        return asked

    def _stop(self, hot: Hot, inputs: list[Input], reason: str, now: int) -> None:
        """Park an instance whose turn cannot be taken or written; it is read again before it goes on."""
        instance = hot.instance
        assert instance is not None, "whoever took a turn was loaded or started here"
        if hot.fresh is not None:
            # There is no row to park: whoever starts it is told.
            asked = [each.message.id for each in inputs if each.message is not None]
            self._rest.refusals += [(message_id, reason) for message_id in asked]
            self._abandon(hot)
            return
        if instance.status.ended:
            # It stays as it is: only what was to become of it is refused.
            self._reconsider([each for each in inputs if orders.is_question(each.event)], hopeless=True)
            for each in inputs:
                if not orders.is_question(each.event):
                    sealing.refuse(self._rest, each, reason, now)
            hot.running = None
            self._ready.pop(hot.id, None)
            self._wanted[hot.id] = None
            self._rest_first = not self._rest.empty
            return
        for each in inputs:
            if isinstance(each.event, ExecutionMigrated):
                sealing.refuse(self._rest, each, reason, now)
        hot.pending = [each for each in inputs if not isinstance(each.event, ExecutionMigrated)] + hot.pending
        self._park(hot, instance, reason, now)
        hot.parked = False
        self._ready.pop(hot.id, None)
        self._wanted[hot.id] = None
        self._rest_first = not self._rest.empty
