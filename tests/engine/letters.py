"""Dead letters for tests: one commit of a member that leaves again."""

from __future__ import annotations

from perdure.engine.codec import encode_received
from perdure.engine.events import EventRaised
from perdure.engine.ids import new_id
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, DeadLetter, Worker


def given_letters(store: Store, *instances: str, kind: str = "EventRaised") -> list[int]:
    """A letter with the event ``Go`` for each instance, in order; their numbers."""
    member = Worker(id=new_id(), host="test", ir=1)
    store.join(member, 10_000_000)
    event = encode_received(EventRaised(name="Go", input="late"))
    letters = tuple(
        DeadLetter(id=new_id(), instance=each, reason="ended", kind=kind, event=event, at=store.time())
        for each in instances
    )
    store.commit(Batch(worker=member.id, dead_letters=letters))
    store.leave(member.id)
    numbers = [each.ord for each in store.dead_letters(limit=len(letters))]
    return numbers[::-1]
