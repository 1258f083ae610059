"""The wrong engines that ``reliability.md`` lists, as far as one owner can be wrong alone."""

from __future__ import annotations

from tests.sim.mutants.further import COMMIT, PRESENT
from tests.sim.mutants.model import Change, Mutant, both, one

_REQUEST = "if key not in self._requests:\n            self._remember(request, self._clock.now())"
_UPDATE = "if row is None or row.execution != execution or row.status != before:\n            raise Refused"
_LATER = """\
        from perdure.engine.store.rows import Batch as _Batch
        _later = tuple(each for each in batch.messages if each.kind in {kinds})
        _first = __import__("msgspec").structs.replace(
            batch, messages=tuple(each for each in batch.messages if each not in _later)
        )
        try:
            self.store.commit(_first)
            if _later:
                self.store.commit(_Batch(worker=self.id, messages=_later))
        except (FenceLost, OutcomeUnknown) as error:
            self.owner.lost"""
_INBOX = "for id_ in turn.consumed:\n            if not self._delete"
_MAX = """\
_last = max((self._inbox[each][0] for each in turn.consumed if each in self._inbox), default=0)
        for other, (ord_, message) in tuple(self._inbox.items()):
            if message.instance == turn.id and ord_ < _last and other not in turn.consumed:
                self._delete(self._inbox, other)
        """
_INSERT = "self._insert(self._generation(row.instance, row.generation), row.first_seq, without)"
_HISTORY = "if row.first_seq not in self._generation(row.instance, row.generation):\n                "
_REJOIN = "slots = self.store.rejoin(self._ids[:-1], member, self._lease)\n        self._ids = [member.id]"
_SAME_ID = """\
if self._ids[0] in {each.id for each in self.store.workers()}:
            slots, member = self.store.take_slots(self._ids[0]), self._member()
            member = __import__('msgspec').structs.replace(member, id=self._ids[0])
            self._ids = [member.id]
        else:
            slots = self.store.rejoin(self._ids[:-1], member, self._lease)
            self._ids = [member.id]"""
_ITEMS = "group.active[branch] = machine.start_fiber(start, dict(fiber.frame), group.id, branch).id"
_BRANCHES = "for branch, (_, start) in enumerate(op.branches):\n        group.active"
_READ = "owner.accept(messages)\n            self._news = len(messages) >= limit"
_SENT_FIRST = """\
        from perdure.engine.store.rows import Batch as _Batch
        _early = tuple(each for each in batch.messages if each.kind == "LockReleased")
        try:
            if _early:
                self.store.commit(_Batch(worker=self.id, messages=_early))
            self.store.commit(
                __import__("msgspec").structs.replace(
                    batch, messages=tuple(each for each in batch.messages if each not in _early)
                )
            )
        except (FenceLost, OutcomeUnknown) as error:
            self.owner.lost"""

_NO_FENCE = PRESENT["no_membership_check"]
_NO_ROW_GUARD = one(
    "perdure.engine.store.memory_turns",
    _UPDATE,
    _UPDATE.replace(" or row.execution != execution or row.status != before", ""),
    "no `next_seq` predicate",
    guard="a turn that comes twice is refused by the key of the history, and a dead owner by its membership",
)
_IGNORED = one(
    "perdure.engine.store.memory_turns",
    _INSERT,
    _HISTORY + _INSERT,
    "history insert-or-ignore",
    guard="a turn that comes twice is refused by the guard of the row",
)
_LOOKED_FOR = one(
    "perdure.engine.joining",
    _REJOIN,
    _SAME_ID,
    "look for it under the same id",
    guard="a commit that comes late is refused by the guard of the row and the key of the history",
)
_FLAG = one(
    "perdure.engine.intake",
    _READ,
    _READ.replace(
        "self._news", "self.store.owned_slots()\n            self.store.changed()\n            self._news"
    ),
    "ready flag cleared after reading",
    guard="every half second the inbox is read without any flag, and any later write raises it again",
)

PLANNED: dict[str, Mutant] = {
    "membership_checked_outside_the_transaction": Mutant(
        (
            *_NO_FENCE.changes,
            Change(
                "perdure.engine.duties",
                COMMIT,
                "        if self.id not in {each.id for each in self.store.workers()}:\n"
                '            raise FenceLost("not live")\n' + COMMIT,
            ),
        ),
        "check outside the transaction",
    ),
    "no_guard_of_the_row": _NO_ROW_GUARD,
    "history_inserted_or_ignored": _IGNORED,
    "neither_guard_of_the_row_nor_key_of_the_history": both(
        _NO_ROW_GUARD, _IGNORED, "no `next_seq` predicate; history insert-or-ignore"
    ),
    "consumed_up_to_the_last": one(
        "perdure.engine.store.memory_turns", _INBOX, _MAX + _INBOX, "consume by `id <= max`"
    ),
    "delivery_not_counted_before_the_work": one(
        "perdure.engine.store.memory_tasks",
        "worker=worker, deliveries=task.deliveries + 1)",
        "worker=worker)",
        "delivery counted after work",
    ),
    "poison_limit_ignored": one(
        "perdure.engine.store.memory_tasks",
        "return [task for task in due if task.deliveries >= max(max_deliveries, 2)][:limit]",
        "max_deliveries = 2**31\n            return []",
        "poison limit ignored on crash",
    ),
    "timer_compared_with_the_workers_clock": one(
        "perdure.engine.intake",
        "        owner.fire(now)\n",
        "        from perdure.engine import clock as _clock\n"
        "        owner.fire(1_700_000_085_000_000 + round(_clock.monotonic() * 1_000_000))\n",
        "timer compared with worker clock",
    ),
    "child_started_outside_the_transaction": one(
        "perdure.engine.duties",
        COMMIT,
        _LATER.replace("{kinds}", '{"StartRequested"}'),
        "child start outside the transaction",
    ),
    "reply_outside_the_transaction": one(
        "perdure.engine.duties",
        COMMIT,
        _LATER.replace("{kinds}", '{"SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed"}'),
        "reply outside the transaction, or in memory only to a turn of a later batch",
    ),
    "lock_released_before_the_commit": one(
        "perdure.engine.duties", COMMIT, _SENT_FIRST, "lock released before commit"
    ),
    "locks_taken_unsorted": one(
        "perdure.engine.locks",
        "entities=sorted(set(entities))",
        "entities=list(dict.fromkeys(entities))",
        "locks taken unsorted",
    ),
    "unknown_commit_looked_for_under_the_same_id": _LOOKED_FOR,
    "unknown_commit_looked_for_under_the_same_id_and_no_guards": both(
        _LOOKED_FOR, both(_NO_ROW_GUARD, _IGNORED), "look for it under the same id"
    ),
    "request_key_checked_outside_the_transaction": one(
        "perdure.engine.store.memory_tables",
        _REQUEST,
        "if True:\n            self._put(self._requests, key, request)\n"
        "            self._put(self._requests_at, key, self._clock.now())",
        "request id checked outside the transaction",
    ),
    "ready_flag_cleared_after_reading": _FLAG,
    "the_present_time_in_a_turn": one(
        "perdure.engine.machine",
        "        self.env.now_us = at\n        self._decided",
        "        from perdure.engine import clock as _clock\n"
        "        self.env.now_us = 1_700_000_085_000_000 + round(_clock.monotonic() * 1_000_000)\n"
        "        self._decided",
        "current time in place of turn time",
    ),
    "branches_started_in_the_order_of_a_set": one(
        "perdure.engine.forks",
        _BRANCHES,
        _BRANCHES.replace(
            "in enumerate(op.branches)",
            "in ((each.number, op.branches[each.number]) for each in\n"
            "        {type('Branch', (), {'number': n})() for n in range(len(op.branches))})",
        ),
        "set iteration in fan-out",
    ),
}
