"""What who asked is told when the owner refused it."""

from __future__ import annotations

import pytest

from perdure.engine.errors import Conflict, Ended, NotFound, PerdureError
from perdure.engine.events import EventRaised, ExecutionMigrated, Received
from perdure.engine.requests import Ask, message_to

GO = EventRaised(name="Go", input=None)
MOVE = ExecutionMigrated(version="2.0.0", digest="d", reason=None)


@pytest.mark.parametrize(
    ("event", "reason", "kind", "text"),
    [
        (GO, "unknown", NotFound, "there is no instance 'order-1'"),
        (GO, "ended", Ended, "instance 'order-1' has ended"),
        (MOVE, "superseded", Conflict, "instance 'order-1' has begun anew meanwhile"),
        (MOVE, "it decides otherwise", Conflict, "instance 'order-1': it decides otherwise"),
        (GO, "it decides otherwise", PerdureError, "instance 'order-1': it decides otherwise"),
    ],
)
def test_a_refusal_of_the_owner_is_a_sentence(
    event: Received, reason: str, kind: type[PerdureError], text: str
) -> None:
    """Who was looked up as running may have ended when it hears: the words are those of who comes later."""
    ask = Ask(message_to("order-1", event, "m"), event, None)
    ask.refuse(reason)
    with pytest.raises(PerdureError) as refused:
        ask.result()
    assert (type(refused.value), str(refused.value)) == (kind, text)
