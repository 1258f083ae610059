"""Activities whose signature cannot be read, or that raise what nobody expects: each fails, and no more.

Nothing came of such a call: its task was open for ever, and so was the place of the thread that ran it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from perdure.engine.activities import ActivityError, Registry, RetryAfter
from perdure.engine.client import Client
from perdure.engine.entity_classes import entity
from perdure.engine.store.memory import MemoryStore
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, compiled

if TYPE_CHECKING:
    from decimal import Decimal


def unknown(price: Decimal) -> str:
    """Its annotation is there for type checkers alone."""
    return str(price)


async def unknown_async(price: Decimal) -> str:
    """The same on the loop."""
    return str(price)


def ambiguous(prices: list[int] | set[int]) -> int:
    """Nobody can tell which of the two a JSON list is."""
    return len(prices)


class Unspeakable:
    """Has no text."""

    def __bool__(self) -> bool:
        raise RuntimeError("no")


def unspeakable(_prices: list[int]) -> None:
    """Nobody can even look at what it raises."""
    raise ActivityError("no", type=cast("str", Unspeakable()))


async def unspeakable_async(prices: list[int]) -> None:
    """The same on the loop."""
    unspeakable(prices)


def fine() -> int:
    """As it should be."""
    return 7


@entity
class Till:
    """What it takes is there for type checkers alone."""

    total: int = 0

    def put(self, price: Decimal) -> int:
        """Nobody can call it."""
        return self.total

    def show(self) -> int:
        """This one can be called."""
        return self.total


CALL = "do: [ { bad: { call: %s, with: [ 1 ] } } ]"


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (unknown, "perdure.Schema: Bad: NameError: name 'Decimal' is not defined"),
        (unknown_async, "perdure.Schema: Bad: NameError: name 'Decimal' is not defined"),
        (ambiguous, "perdure.Schema: Bad: TypeError: "),
        (unspeakable, "perdure.Payload: it failed inside: RuntimeError"),
        (unspeakable_async, "perdure.Payload: it failed inside: RuntimeError"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_an_activity_that_nobody_can_call_or_understand_keeps_no_thread(
    function: Callable[..., Any], error: str
) -> None:
    """With more such calls than threads there was nobody left for any other activity."""
    registry = Registry()
    registry.add("Bad", function)
    registry.add("Fine", fine)
    with closing(MemoryStore()) as store, Worker(store, registry, concurrency=2) as worker:
        client = Client(store, worker)
        bad, good = compiled(CALL % "Bad").program, compiled("do: [ { a: { call: Fine } } ]").program
        ids = client.run_many(bad, [None] * 3) + client.run_many(good, [None])
        ended = [client.wait(each, 60) for each in ids]
    assert [each["status"] for each in ended] == ["Failed"] * 3 + ["Completed"]
    found = ended[0]["error"]
    assert f"{found['type']}: {found['message']}".startswith(error)


def test_an_operation_whose_annotation_cannot_be_read_leaves_the_entity_free(hub: Hub) -> None:
    """Whoever asked it anything else waited for ever."""
    hub.registry.add_entity(Till)
    error, message = hub.operate("Till@a", "put", 1)
    assert (error, message) == ("perdure.Schema", "Till.put: NameError: name 'Decimal' is not defined")
    assert hub.operate("Till@a", "show") == 0


ODD: Mapping[str, tuple[BaseException, tuple[str, str]]] = {
    "number for a name": (ActivityError("no", type=cast("str", 5)), ("5", "no")),
    "text for a bool": (ActivityError("no", retryable=cast("bool", "yes")), ("ActivityError", "no")),
    "text for seconds": (RetryAfter(cast("float", "5"), "soon"), ("RetryAfter", "soon")),
    "seconds for ever": (RetryAfter(1e300, "soon"), ("RetryAfter", "soon")),
}


@pytest.mark.parametrize(("raised", "expected"), ODD.values(), ids=ODD)
def test_an_exception_with_odd_fields_fails_its_step(
    hub: Hub, raised: BaseException, expected: tuple[str, str]
) -> None:
    """Its history can be read again; a cold hub does so before each turn."""

    def fail(value: Any) -> None:
        raise raised

    hub.activity("Odd", fail)
    hub.start(CALL % "Odd")
    hub.run()
    assert hub.status() == "Failed"
    hub.crash()
    hub.run()
    assert (hub.error()["type"], hub.error()["message"]) == expected


def test_an_operation_that_raises_an_error_with_an_odd_name_fails(hub: Hub) -> None:
    """Its answer can be read."""

    @entity("Odd")
    class Odd:
        count: int = 0

        def fail(self) -> None:
            raise ActivityError("no", type=cast("str", 5))

    hub.registry.add_entity(Odd)
    assert hub.operate("Odd@a", "fail") == ["5", "no"]
