"""Activities that somebody else completes, with a token."""

from __future__ import annotations

import pytest

from perdure.engine.activities import Context, Pending
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended, NotFound, UserError
from perdure.engine.events import TaskCompleted
from perdure.engine.store.rows import OUTSIDE, Key, Message
from perdure.engine.tokens import Place, place_of, token_for
from tests.engine.driver import Hub

STEP = "do: [ s: { call: Ask, %s output: '${ result.n }' }, return: '${ s }' ]"
PLAIN = STEP % ""
KINDS = ["", "queue: q,", "heartbeat: 1m,"]
"""A task that runs at once, and tasks that go through the table."""


class Asking:
    """A hub whose activity gives its token away, and a client of it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.tokens: list[str] = []
        self.client = Client(hub.store)
        hub.queues = ("q",)
        hub.activity("Ask", self._ask)

    def _ask(self, ctx: Context) -> None:
        self.tokens.append(ctx.token())
        raise Pending

    def start(self, text: str = PLAIN) -> str:
        """An instance that waits for its activity; its token."""
        self.hub.start(text)
        self.hub.run()
        return self.tokens[-1]

    def rows(self) -> list[str | None]:
        """Who holds the tasks of the hub."""
        return [task.worker for task in self.hub.store._tasks.values()]  # type: ignore[attr-defined]


@pytest.fixture
def asking(hub: Hub) -> Asking:
    """A hub where nothing has started."""
    return Asking(hub)


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_has_the_token_completes_the_activity(asking: Asking, kind: str) -> None:
    """The step's ``output`` is applied as if the activity had returned."""
    token = asking.start(STEP % kind)
    assert (asking.hub.status(), asking.rows()) == ("Running", [OUTSIDE])
    assert asking.client.complete_token(token, {"n": 7}) == {"changed": True}
    asking.hub.run()
    assert (asking.hub.output(), len(asking.tokens)) == (7, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_runs_nothing_again(asking: Asking, kind: str) -> None:
    """The task waits for its answer, not for a worker; a heartbeat is not asked of anybody."""
    token = asking.start(STEP % kind)
    asking.hub.crash()
    asking.hub.advance(3600)
    assert len(asking.tokens) == 1
    asking.client.complete_token(token, {"n": 1})
    asking.hub.run()
    assert asking.hub.output() == 1


def test_a_token_given_away_before_a_crash_is_good_after_it(asking: Asking) -> None:
    """The activity runs again, as its worker died before anybody knew that it waits: with the same token."""
    asking.hub.manual = True
    asking.hub.start(PLAIN)
    asking.hub.run()
    first = asking.hub.executor.context_of(asking.hub.open[0]).token()
    asking.hub.crash()
    asking.hub.manual = False
    asking.hub.run()
    assert asking.tokens == [first]
    asking.client.complete_token(first, {"n": 2})
    asking.hub.run()
    assert asking.hub.output() == 2


def test_it_may_be_completed_before_the_activity_has_ended(asking: Asking) -> None:
    """Whoever got the token may be quick; that the activity waits is no news then."""
    asking.hub.manual = True
    asking.hub.start(PLAIN)
    asking.hub.run()
    task = asking.hub.open[0]
    asking.client.complete_token(asking.hub.executor.context_of(task).token(), {"n": 3})
    asking.hub.finish(task)
    asking.hub.run()
    assert (asking.hub.output(), asking.rows()) == (3, [])


def test_the_same_answer_again_changes_nothing(asking: Asking) -> None:
    """Neither before the instance has heard of it nor after; another answer is refused."""
    token = asking.start("do: [ s: { call: Ask, output: '${ result.n }' }, w: { wait: 1h } ]")
    for _ in range(2):
        asking.client.complete_token(token, {"n": 1})
        assert asking.client.complete_token(token, {"n": 1}) == {"changed": False}
        with pytest.raises(Conflict, match="used already"):
            asking.client.complete_token(token, {"n": 2})
        with pytest.raises(Conflict):
            asking.client.fail_token(token, "No")
        asking.hub.run()
    assert [each for each in asking.hub.events() if isinstance(each, TaskCompleted)] == [
        TaskCompleted(scheduled_seq=1, result=1)
    ]


@pytest.mark.parametrize(("result", "refused"), [(1, False), (2, True)])
def test_an_answer_while_the_first_one_is_taken_is_refused(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, result: int, refused: bool
) -> None:
    """Whoever asks had looked before the turn, and writes after it: the turn knows of one answer."""
    token = asking.start("do: [ s: { call: Ask, output: '${ result.n }' }, w: { wait: 1h } ]")
    asking.client.complete_token(token, {"n": 1})
    store = asking.hub.store
    answer = store.answer

    def answer_late(message: Message, task: Key) -> Message | None:
        asking.hub.run()
        return answer(message, task)

    monkeypatch.setattr(store, "answer", answer_late)
    if refused:
        with pytest.raises(Conflict, match="used already"):
            asking.client.complete_token(token, {"n": result})
    else:
        assert "changed" in asking.client.complete_token(token, {"n": result})


def test_an_answer_may_be_an_error(asking: Asking) -> None:
    """Of a name that ``catch`` and ``retry`` see; the next attempt has another token."""
    token = asking.start("do: [ s: { call: Ask, retry: { attempts: 2, delay: 1s } }, return: '${ s }' ]")
    asking.client.fail_token(token, "Declined", "no", data={"by": "anna"})
    asking.hub.advance(2)
    assert len(set(asking.tokens)) == 2
    asking.client.fail_token(asking.tokens[-1], "Fraud", retryable=False)
    asking.hub.run()
    assert [(each.error, each.message, each.data, each.retryable) for each in asking.hub.errors()] == [
        ("Declined", "no", {"by": "anna"}, True),
        ("Fraud", "", None, False),
    ]
    assert asking.hub.error()["type"] == "Fraud"


@pytest.mark.parametrize("how", ["timeout", "terminate", "purge", "answered"])
def test_nobody_waits_any_more(asking: Asking, how: str) -> None:
    """A step that timed out, an instance that has ended or gone: the token is of no use."""
    token = asking.start("do: [ s: { call: Ask, timeout: 10s } ]")
    if how == "answered":
        asking.client.complete_token(token, 1)
    elif how == "timeout":
        asking.hub.advance(11)
    else:
        asking.hub.terminate()
    asking.hub.run()
    if how == "purge":
        asking.hub.store.purge("i")
    assert asking.rows() == []
    with pytest.raises(NotFound if how == "purge" else Conflict if how == "answered" else Ended):
        asking.client.complete_token(token, 2)


def test_a_token_is_for_one_execution(asking: Asking) -> None:
    """An instance that goes on as new has other activities."""
    token = asking.start(
        """
        do:
          - r: { race: { a: [ x: { call: Ask } ], b: [ e: { wait_for_event: Go, timeout: never } ] } }
          - continue_as_new: { input: 1 }
        """
    )
    asking.hub.raise_event("Go")
    asking.hub.run()
    assert (asking.hub.instance().generation, len(set(asking.tokens))) == (2, 2)
    with pytest.raises(Ended):
        asking.client.complete_token(token)


def test_an_instance_that_is_suspended_hears_of_it_later(asking: Asking) -> None:
    """As of every result."""
    token = asking.start()
    asking.hub.suspend()
    asking.hub.run()
    asking.client.complete_token(token, {"n": 5})
    asking.hub.run()
    assert asking.hub.status() == "Suspended"
    asking.hub.resume()
    asking.hub.run()
    assert asking.hub.output() == 5


def test_a_result_must_fit(asking: Asking) -> None:
    """What is no JSON, or what ``output`` cannot read, is refused, and the activity waits on."""
    token = asking.start()
    for wrong in (object(), 3):
        with pytest.raises(UserError):
            asking.client.complete_token(token, wrong)
    asking.client.complete_token(token, {"n": 1})
    asking.hub.run()
    assert asking.hub.output() == 1


def test_it_is_said_what_an_instance_waits_for(asking: Asking) -> None:
    """That nobody runs its activity is not wrong."""
    asking.start()
    (found,) = asking.client.waiting("i")
    assert found["note"] == "its activity waits to be completed with its token"


def test_a_call_that_waits_outside_keeps_its_place(asking: Asking) -> None:
    """A concurrency key counts it, until it is answered."""
    text = "do: [ s: { call: Ask, concurrency: { key: k, limit: 1 } } ]"
    asking.start(text)
    asking.hub.start(text, id="j")
    asking.hub.run()
    assert len(asking.tokens) == 1
    asking.client.complete_token(asking.tokens[0])
    asking.hub.run()
    assert len(asking.tokens) == 2


# -- tokens --------------------------------------------------------------------------------------------


def test_a_token_can_be_read_with_its_key_alone() -> None:
    """And nobody else can make one."""
    place = Place("i/ü", "x", 7)
    token = token_for("key", place)
    assert place_of("key", token) == place
    assert place_of("other", token) is None


@pytest.mark.parametrize("token", ["", ".", "x", "x.y", "ÿ.ÿ", "a.b.c", "\ud800.x"])
def test_what_is_no_token(hub: Hub, token: str) -> None:
    """Whatever is sent instead is not found."""
    with pytest.raises(NotFound):
        Client(hub.store).complete_token(token)


def test_a_token_stands_in_a_url_as_it_is() -> None:
    """Without a character that would have to be quoted."""
    token = token_for("key", Place("?#/%\u00ff" * 9, "x", 1))
    assert all(each.isalnum() or each in "-_." for each in token)
