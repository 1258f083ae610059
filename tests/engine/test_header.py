"""What a header says: tags, queries, and the data of errors."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, NotFound, UserError
from tests.engine.driver import Hub, compiled
from tests.engine.functions import offer

HEAD = "dsl: perdure/1\nname: flow\nversion: 1.0.0\n"
COUNTING = """
vars: { count: 0 }
queries:
  progress: ${ vars.count }
  all: { input: "${ input }", generation: "${ workflow.generation }", at: "${ string(workflow.started_at) }" }
  share: ${ 1 / vars.count }
do:
  - set: { count: 1 }
  - go: { wait_for_event: Go, timeout: never }
  - set: { count: 2 }
  - more: { if: "${ go }", wait: 1h }
  - if: ${ input == 'again' }
    then:
      - continue_as_new: { input: last }
  - return: ${ vars.count }
"""


def sell(left: Any) -> None:
    """Fails with ``OutOfStock``."""
    raise ActivityError("none left", type="OutOfStock", data=left)


AGAIN = "do: [ { set: { count: 1 } }, { continue_as_new: { input: '${ input + 1 }' } } ]"


def start(hub: Hub, text: str, input: Any = None, **options: Any) -> Client:
    """A client of the hub that has started the instance ``i``; nothing runs yet."""
    client = Client(hub.store)
    client.run(compiled(HEAD + text).program, input, id="i", **options)
    return client


# -- tags -------------------------------------------------------------------------------------------


def test_tags_are_computed_at_the_start(hub: Hub) -> None:
    """From the input and from what is known of the instance; those that are given win."""
    text = """
tags:
  team: payments
  tier: "tier ${ input.tier }"
  self: ${ workflow.instance_id + '/' + string(workflow.generation) + '/' + workflow.tags.mine }
do:
  - if: ${ input.tier == 1 }
    then:
      - continue_as_new: { input: { tier: 2 } }
  - return: ${ workflow.tags }
"""
    client = start(hub, text, {"tier": 1}, tags={"mine": "m", "team": "other"})
    wanted = {"team": "other", "tier": "tier 1", "self": "i/1/m", "mine": "m"}
    assert client.instance("i")["tags"] == wanted
    hub.run()
    assert (hub.output(), hub.instance().tags) == (wanted, wanted)


def test_a_tag_that_cannot_be_computed_refuses_the_start(hub: Hub) -> None:
    """With its name and its place, and nothing is stored."""
    with pytest.raises(UserError, match=r"yaml:4:\d+: the tag 'tier': ") as caught:
        start(hub, "tags: { tier: '${ input.tier }' }\ndo: [ return: 1 ]", {})
    assert caught.value.code == "tags"
    assert hub.store.instance("i") is None


# -- queries ----------------------------------------------------------------------------------------


def test_queries_tell_the_committed_state(hub: Hub) -> None:
    """Before the first turn, while it waits, and when it has ended."""
    client = start(hub, COUNTING, "x")
    assert client.query("i", "progress") == 0
    hub.run()
    assert client.query("i", "progress") == 1
    assert client.query("i", "all") == {"input": "x", "generation": 1, "at": "2023-11-14T22:13:20Z"}
    hub.raise_event("Go", True)
    assert client.query("i", "progress") == 1, "nothing is said of what is not committed"
    hub.run()
    assert client.query("i", "progress") == 2
    hub.crash()
    assert client.query("i", "progress") == 2
    hub.advance(3600)
    assert (hub.output(), client.query("i", "progress")) == (2, 2)


@pytest.mark.parametrize(("how", "status"), [("suspend", "Suspended"), ("terminate", "Terminated")])
def test_a_query_of_a_generation_that_never_began_is_answered(hub: Hub, how: str, status: str) -> None:
    """It was suspended, or ended, between two generations: that is in its history, and no turn of it."""
    client = start(hub, "queries: { all: '${ [vars, input] }' }\nvars: { count: 0 }\n" + AGAIN, 1)
    hub.round()
    getattr(client, how)("i")
    hub.run()
    assert (hub.status(), hub.instance().generation > 1) == (status, True)
    assert client.query("i", "all")[0] == {"count": 0}


def test_a_query_sees_the_present_generation(hub: Hub) -> None:
    """Its input, its number, and its fresh variables."""
    client = start(hub, COUNTING, "again")
    hub.run()
    hub.raise_event("Go", True)
    hub.advance(3600)
    assert client.query("i", "all")["input"] == "last"
    assert (client.query("i", "all")["generation"], client.query("i", "progress")) == (2, 1)


def test_queries_that_cannot_be_answered(hub: Hub) -> None:
    """An unknown instance, an unknown name, and an expression that fails are told apart."""
    client = start(hub, COUNTING)
    with pytest.raises(NotFound, match="has no query 'progres'") as unknown:
        client.query("i", "progres")
    assert unknown.value.hint == "it answers: all, progress, share"
    with pytest.raises(UserError, match=r"yaml:9:\d+: the query 'share' cannot be answered: ") as failed:
        client.query("i", "share")
    assert failed.value.code == "query"
    with pytest.raises(NotFound, match="no instance 'j'"):
        client.query("j", "progress")


def test_a_query_needs_a_history_that_replays() -> None:
    """Of one that does not, nothing true can be said."""
    hub = Hub()
    client = start(hub, COUNTING)
    hub.run()
    client.run(compiled(HEAD + COUNTING.replace("do:", "do:\n  - first: { wait: 1h }")).program)
    one, other = (each["digest"] for each in client.instances()["items"])
    hub.store._programs[one] = hub.store._programs[other]  # type: ignore[attr-defined]
    with pytest.raises(Conflict, match="cannot be replayed") as caught:
        Client(hub.store).query("i", "progress")
    assert caught.value.code == "non_determinism"


# -- errors -----------------------------------------------------------------------------------------

DECLARED = """
errors:
  OutOfStock:
    schema: { type: object, properties: { left: { type: number } }, required: [left] }
do:
  - t:
      try: [{ a: %s }]
      catch:
        - errors: [OutOfStock]
          do: [{ output: "${ error.data == null ? 'nothing' : string(error.data.left / 4) }" }]
        - errors: [perdure.Schema]
          do: [{ output: "${ [error.message, error.cause.type, string(error.data == null)] }" }]
  - return: "${ t }"
"""
RAISE = "{ do: [{ raise: { error: OutOfStock, data: '${ input }' } }] }"
CALL = "{ call: Sell, with: '${ input }' }"


@pytest.mark.parametrize("how", [RAISE, CALL])
@pytest.mark.parametrize(
    ("data", "caught"),
    [
        ({"left": 2}, "0.5"),
        (None, "nothing"),
        (
            {"left": "two"},
            [
                'the data of error OutOfStock does not fit its schema: left: "two" is no number',
                "OutOfStock",
                "true",
            ],
        ),
    ],
)
def test_the_data_of_an_error_is_as_it_is_declared(hub: Hub, how: str, data: Any, caught: Any) -> None:
    """Whoever catches it reads data of that shape, with its numbers; data may be left out."""
    offer(hub)
    hub.activity("Sell", sell)
    start(hub, DECLARED % how, data)
    hub.run()
    assert hub.output() == caught
