"""What the database does not take though no turn made it: whoever said it asks again, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from perdure.engine.errors import Refused
from perdure.engine.events import EventRaised
from perdure.engine.store.rows import Batch
from tests.engine.driver import Hub, compiled
from tests.engine.messages import WAITS
from tests.engine.test_nondeterminism import parked, restore


@contextmanager
def refusing(hub: Hub, what: Callable[[Batch], object]) -> Iterator[None]:
    """Let the database of a hub not take some batches for a while."""
    commit = hub.store.commit

    def guarded(batch: Batch) -> int:
        if what(batch):
            raise Refused("no")
        return commit(batch)

    hub.store.commit = guarded  # type: ignore[method-assign]
    yield
    hub.store.commit = commit  # type: ignore[method-assign]


def says(id: str) -> Callable[[Batch], bool]:
    """Whether a batch keeps a message for an instance."""
    return lambda batch: any(each.instance == id for each in batch.messages)


def test_what_a_client_tells_a_parked_instance_and_cannot_be_kept_is_asked_again(hub: Hub) -> None:
    """Nothing of it is left; what the database takes later is kept, and heard."""
    program = parked(hub)
    with refusing(hub, says("i")):
        told = hub.say(EventRaised(name="Noise"))
        hub.run()
    assert (hub.asked, hub.answered) == ([told], [])
    kept = hub.say(EventRaised(name="Noise"))
    hub.run()
    assert (hub.asked, hub.answered) == ([told], [kept])
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_a_turn_beside_what_cannot_be_kept_is_not_blamed(hub: Hub) -> None:
    """Only when each was tried alone it is known whose fault it is."""
    program = parked(hub)
    hub.start(compiled(WAITS), id="other")
    hub.run()
    with refusing(hub, says("i")):
        told = hub.say(EventRaised(name="Noise"))
        heard = hub.say(EventRaised(name="Go", input=1), id="other")
        hub.run()
    assert (hub.asked, hub.answered) == ([told], [heard])
    assert hub.status("other") == "Completed"
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8
