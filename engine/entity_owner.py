"""The entities of the slots that one worker owns: the part of ``owner`` that has to do with them.

An entity has an inbox, as instances have. What it has heard and cannot act on yet (it is locked, or a
worker is at work for it) stays in the inbox, and in memory in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from perdure.engine import outgoing, sealing
from perdure.engine.addresses import entity_at
from perdure.engine.entities import LinkedEntity, Undone
from perdure.engine.entity_turn import MAX_OPERATIONS, EntityTurn, Heard, answer_of, take_entity_turn
from perdure.engine.events import Message as Event
from perdure.engine.events import (
    OperationRequested,
    TaskCompleted,
    TaskFailed,
    ToEntity,
    is_for_entity,
    is_result,
)
from perdure.engine.failure import ENTITY, PAYLOAD
from perdure.engine.hot import Sealed, SealedEntity, Writes
from perdure.engine.instance import slot_of
from perdure.engine.running import Input
from perdure.engine.store.rows import Checkpoint, EntityRow, Message, Request
from perdure.engine.tasks import row_of

PRIVATE = "reply"
"""The route of a request that nobody can repeat: only the client that made it knows its key."""
ROW_SIZE = 512
"""Bytes that an entity takes in memory besides its state."""

Kind: TypeAlias = LinkedEntity | Literal["python"]
"""Who carries out the operations of a type: its Program here, or workers that have its class."""


class HotEntity:
    """An entity in memory. ``row`` is as the last turn has left it, once it is ``known``."""

    __slots__ = ("alone", "id", "known", "queue", "row", "size", "type", "uncommitted")

    def __init__(self, id: str) -> None:
        self.id = id
        self.type = entity_at(id)[0]
        self.row: EntityRow | None = None
        self.known = False
        self.queue: list[Heard] = []
        self.uncommitted = 0
        self.size = 0
        self.alone = False
        """One message a turn: the database has refused a turn, and nobody knows yet for which one."""


class EntityOwner:
    """What an owner remembers of entities. ``accepted`` are ids of inbox rows that are in memory."""

    def __init__(self, accepted: set[str], requests: sealing.Requests, *, memory: int) -> None:
        self._accepted = accepted
        self._requests = requests
        self._memory = memory
        self._hot: dict[str, HotEntity] = {}
        self._ready: dict[str, None] = {}
        self._wanted: dict[str, None] = {}
        self._resident: dict[str, None] = {}
        """Entities that have nothing to do, the one that was idle longest first."""
        self._used = 0
        self._strangers: list[Message] = []
        """Messages that no entity understands."""
        self._kinds: dict[str, Kind] = {}
        self._waiting: dict[str, set[str]] = {}
        """Entities of each type of which nobody knows who carries out its operations."""

    # -- what the shell brings --------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether there is nothing to load and no turn to take."""
        return not (self._ready or self._wanted or self._strangers)

    def accept(self, message: Message, event: Event) -> None:
        """A row of the inbox: what somebody says, or a worker's answer."""
        if is_for_entity(event) or is_result(event):
            heard = Heard(event=event, execution=message.execution, message=message, stored=True)
            self._add(message.instance, heard)
        else:
            self._strangers.append(message)

    def send(self, message: Message, event: ToEntity) -> None:
        """What a client of this process says; it has no row yet."""
        self._add(message.instance, Heard(event=event, message=message))

    def result(self, id: str, execution: str, event: Event) -> None:
        """The answer of a worker in this process."""
        assert is_result(event), "workers complete tasks or fail"
        self._add(id, Heard(event=event, execution=execution))

    def _add(self, id: str, each: Heard) -> None:
        hot = self._hot.get(id)
        if hot is None:
            hot = self._hot[id] = HotEntity(id)
        hot.queue.append(each)
        self._wake(hot)

    def wanted(self) -> list[str]:
        """Entities that have something to do and whose rows are not in memory."""
        return list(self._wanted)

    def loaded(self, ids: Sequence[str], rows: Iterable[EntityRow]) -> None:
        """The rows that the database has of ``ids``."""
        found = {row.id: row for row in rows}
        for id_ in ids:
            self._wanted.pop(id_, None)
            hot = self._hot[id_]
            hot.row, hot.known = found.get(id_), True
            self._wake(hot)

    @property
    def types(self) -> list[str]:
        """Types of which it must be known who carries out their operations."""
        return sorted(self._kinds.keys() | self._waiting.keys())

    @property
    def unknown(self) -> list[str]:
        """Those of them of which it is not known."""
        return sorted(self._waiting)

    def define(self, kinds: Mapping[str, Kind | None]) -> None:
        """Who carries out the operations of some types from now on; None: nobody that is known."""
        for type_, kind in kinds.items():
            if kind is None:
                self._kinds.pop(type_, None)
                continue
            self._kinds[type_] = kind
            for id_ in sorted(self._waiting.pop(type_, ())):
                # It has something to do since it waits, so nobody has forgotten it.
                self._wake(self._hot[id_])

    # -- what the shell takes ---------------------------------------------------------------------

    def run_ready(self, sealed: Sealed, limit: int, now: int) -> None:
        """Take the turns of all entities that are ready, up to the limit, and add them to the batch."""
        for message in self._strangers:
            sealing.bury(sealed.rest, message, "unknown", now)
        self._strangers.clear()
        for id_ in list(self._ready)[:limit]:
            del self._ready[id_]
            self._turn(self._hot[id_], sealed, now)

    def applied(self, sealed: Sealed) -> None:
        """The batch is committed."""
        for done in sealed.entities:
            hot = self._hot[done.id]
            hot.uncommitted -= 1
            hot.alone = False
            if done.written:
                self._accepted |= done.written
                hot.queue = [_stored(each, done.written) for each in hot.queue]
            self._settle(hot)
        self._evict()

    def take_back(self, done: SealedEntity) -> None:
        """A batch with this turn was lost: it is as if there had been none."""
        hot = self._hot[done.id]
        hot.uncommitted -= 1
        fed = set(map(id, done.inputs))
        hot.queue = done.inputs + [each for each in hot.queue if id(each) not in fed]
        self._unload(hot)
        self._wake(hot)

    def give_up(self, done: SealedEntity, rest: Writes, now: int) -> list[str]:
        """The turn of one entity cannot be written: find out for which message, and do without it.

        Returns ids of messages whose clients must ask again.
        """
        hot, bad = self._hot[done.id], done.first
        if not hot.alone and len(hot.queue) > 1:
            hot.alone = True
            return []
        hot.alone = False
        place = next(number for number, each in enumerate(hot.queue) if each is bad)
        del hot.queue[place]
        if isinstance(bad.event, TaskCompleted):
            # What the worker has made cannot be kept, so its operations have failed.
            message = "the database does not take what the worker has made of it"
            failed = TaskFailed(scheduled_seq=bad.event.scheduled_seq, error=PAYLOAD, message=message)
            hot.queue.insert(place, msgspec.structs.replace(bad, event=failed))
        elif bad.message is not None and not bad.stored:
            return [bad.message.id]
        else:
            undone = Undone(error=PAYLOAD, message="the database does not take what comes of it")
            _undo(rest, bad, undone, "refused", now)
        return []

    def reset(self) -> tuple[list[tuple[str, Input]], list[str]]:
        """What the database does not have: answers of workers, and messages whose clients must ask again."""
        results, unanswered, _ = self._unwritten(self._hot.values())
        return results, unanswered

    def let_go(self, slots: Collection[int]) -> tuple[list[tuple[str, Input]], list[str], list[str]]:
        """Forget what is in these slots; what ``reset`` returns of it, and ids of messages that have rows."""
        gone = [hot for hot in self._hot.values() if slot_of(hot.id) in slots]
        results, unanswered, known = self._unwritten(gone)
        for hot in gone:
            assert not hot.uncommitted, "slots are let go between commits"
            self._rest_no_more(hot)
            del self._hot[hot.id]
            self._ready.pop(hot.id, None)
            self._wanted.pop(hot.id, None)
            self._waiting.get(hot.type, set()).discard(hot.id)
        known += [each.id for each in self._strangers if each.slot in slots]
        self._strangers = [each for each in self._strangers if each.slot not in slots]
        return results, unanswered, known

    @staticmethod
    def _unwritten(hots: Iterable[HotEntity]) -> tuple[list[tuple[str, Input]], list[str], list[str]]:
        results, unanswered, known = list[tuple[str, Input]](), list[str](), list[str]()
        for hot in hots:
            for each in hot.queue:
                if each.message is not None:
                    (known if each.stored else unanswered).append(each.message.id)
                else:
                    assert is_result(each.event), "all else comes as a message"
                    results.append((hot.id, Input(event=each.event, execution=each.execution)))
        return results, unanswered, known

    # -- memory -----------------------------------------------------------------------------------

    def _wake(self, hot: HotEntity) -> None:
        if not hot.known:
            self._wanted[hot.id] = None
        elif hot.type not in self._kinds:
            self._waiting.setdefault(hot.type, set()).add(hot.id)
        else:
            self._ready[hot.id] = None

    def _unload(self, hot: HotEntity) -> None:
        self._rest_no_more(hot)
        self._ready.pop(hot.id, None)
        hot.known, hot.row = False, None

    def _settle(self, hot: HotEntity) -> None:
        """It has nothing to do for now, so it may be forgotten."""
        if hot.queue or hot.uncommitted:
            return
        self._rest_no_more(hot)
        if hot.row is None:
            # It is as if nobody had ever spoken to it.
            del self._hot[hot.id]
            self._ready.pop(hot.id, None)
            return
        hot.size = ROW_SIZE + len(hot.row.state or "")
        self._used += hot.size
        self._resident[hot.id] = None

    def _rest_no_more(self, hot: HotEntity) -> None:
        if hot.id in self._resident:
            del self._resident[hot.id]
            self._used -= hot.size

    def _evict(self) -> None:
        while self._used > self._memory and self._resident:
            id_ = next(iter(self._resident))
            hot = self._hot[id_]
            self._rest_no_more(hot)
            if hot.queue:
                self._unload(hot)
                self._wake(hot)
            else:
                del self._hot[id_]
                self._ready.pop(id_, None)

    # -- turns ------------------------------------------------------------------------------------

    def _turn(self, hot: HotEntity, sealed: Sealed, now: int) -> None:
        self._rest_no_more(hot)
        kind = self._kinds.get(hot.type)
        if kind is None:
            self._wake(hot)
            return
        program = None if kind == "python" else kind
        inputs, limit = hot.queue, 1 if hot.alone else MAX_OPERATIONS
        try:
            turn = take_entity_turn(hot.id, hot.row, program, inputs, now, limit=limit)
        except Exception as error:  # noqa: BLE001
            # A fault of ours, or a row that cannot be read: it must not stop the others.
            self._stop(hot, sealed, f"internal: {type(error).__name__}: {error}", now)
            return
        hot.queue = turn.left
        unwritten = any(each.message is not None and not each.stored for each in hot.queue)
        if not (turn.taken or turn.refused or turn.write or turn.task or unwritten):
            self._settle(hot)
            return
        hot.row = turn.row
        hot.uncommitted += 1
        done = SealedEntity(id=hot.id, inputs=list(inputs), first=_first(turn, inputs))
        sealed.entities.append(done)
        self._seal(hot, turn, done, sealed)
        if hot.queue and turn.taken and turn.task is None:
            self._wake(hot)

    def _stop(self, hot: HotEntity, sealed: Sealed, reason: str, now: int) -> None:
        """Messages that no turn can be made of are dead letters, and who waits for them is told."""
        inputs, hot.queue = hot.queue, []
        for each in inputs:
            if each.message is not None and not each.stored:
                sealed.rest.refusals.append((each.message.id, reason))
            else:
                _undo(sealed.rest, each, Undone(error=ENTITY, message=reason), reason, now)
        self._settle(hot)

    def _seal(self, hot: HotEntity, turn: EntityTurn, done: SealedEntity, sealed: Sealed) -> None:
        own = sealed.own
        if turn.write is not None:
            own.entities.append(turn.write)
        own.messages += turn.outgoing
        own.notes += turn.notes
        answers = {reply.request: reply.answer for reply in turn.replies}
        consumed = list(turn.ended)
        for each in turn.taken:
            if each.message is None:
                continue
            own.settled.append(each.message.id)
            if each.stored:
                consumed.append(each.message.id)
            else:
                self._answer(each.message, each.event, answers, sealed)
        own.replies += [_reply(key, answer) for key, answer in answers.items()]
        for each in turn.refused:
            # A worker's answer for which there is no question any more.
            if each.message is not None:
                own.discard.append(each.message.id)
                own.settled.append(each.message.id)
        own.settled += turn.ended
        slot = slot_of(hot.id)
        tasks = () if turn.task is None else (row_of(turn.task, slot, None),)
        closed = () if turn.closed is None else (turn.closed,)
        if consumed or tasks or closed:
            own.checkpoints.append(
                Checkpoint(
                    id=hot.id,
                    slot=slot,
                    execution="",
                    history=(),
                    consumed=tuple(consumed),
                    tasks=tasks,
                    tasks_closed=closed,
                )
            )
        for each in hot.queue:
            if each.message is not None and not each.stored:
                own.messages.append(each.message)
                done.written.add(each.message.id)
                sealing.durable(own, each.message, self._requests)

    def _answer(
        self,
        message: Message,
        event: ToEntity | TaskCompleted | TaskFailed,
        answers: dict[tuple[str, str, str], str],
        sealed: Sealed,
    ) -> None:
        """A client of this process has its answer with this commit; so has whoever repeats its request."""
        key = event.request if isinstance(event, OperationRequested) else None
        answer = None if key is None else answers.pop(key, None)
        if key is None or answer is None:
            sealing.durable(sealed.own, message, self._requests)
            return
        sealed.outcomes[message.id] = _reply(key, answer)
        sealing.durable(sealed.own, message, self._requests, answer=answer, private=key[0] == PRIVATE)


def _first(turn: EntityTurn, inputs: Sequence[Heard]) -> Heard:
    """The message that a turn is about, if it is about one alone."""
    if turn.taken:
        return turn.taken[0]
    asked = None if turn.task is None else turn.task.operations[0].id
    for each in inputs:
        if each.message is not None and (each.message.id == asked or (asked is None and not each.stored)):
            return each
    return inputs[0]


def _undo(rest: Writes, each: Heard, undone: Undone, reason: str, now: int) -> None:
    """A message in the inbox has no effect: who waits for its answer is told; any other is a dead letter."""
    message, event = each.message, each.event
    if message is None:
        return
    if not isinstance(event, OperationRequested) or (event.asker is None and event.request is None):
        sealing.bury(rest, message, reason, now)
        return
    rest.discard.append(message.id)
    rest.settled.append(message.id)
    if event.asker is not None:
        rest.messages.append(outgoing.operated(event.asker, undone))
    else:
        assert event.request is not None, "else it was buried"
        rest.replies.append(_reply(event.request, answer_of(undone)))


def _reply(key: tuple[str, str, str], answer: str) -> Request:
    route, target, name = key
    return Request(route=route, target=target, key=name, fingerprint="", answer=answer)


def _stored(each: Heard, written: set[str]) -> Heard:
    known = each.message is not None and each.message.id in written
    return msgspec.structs.replace(each, stored=True) if known else each
