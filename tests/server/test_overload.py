"""A server that has too much to do says so, and when to come back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import NotFound, Overloaded, UserError
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.groups import AT_ONCE, MOST, Groups
from perdure.server.held import Held
from perdure.server.settings import Settings
from tests.server.hub import API, ECHO, GATE, JSON, YAML, given_instance, refusal


@contextmanager
def given_limits(settings: Settings) -> Iterator[TestClient]:
    """A server with these limits, where ``echo`` and ``gate`` are deployed."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        app = create_app(Client(store, worker), worker, settings)
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            for source in (ECHO, GATE):
                assert http.post(f"{API}/definitions", content=source, headers=YAML).status_code == 201
            yield http


def test_calls_beyond_those_that_may_wait_are_refused() -> None:
    """429, and when to come back."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        app = create_app(Client(store, worker), worker, Settings(waiting=0))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            answer = http.get(f"{API}/instances")
    assert refusal(answer) == (429, "overloaded")
    assert answer.headers["retry-after"] == "1"


def test_waits_beyond_those_that_there_may_be_are_refused() -> None:
    """Looking without a wait goes on."""
    with given_limits(Settings(waits=0)) as http:
        path = given_instance(http, "gate", input={})
        assert refusal(http.get(path, params={"wait": "1s"})) == (429, "overloaded")
        assert http.get(path).status_code == 200


def test_bodies_together_have_a_limit() -> None:
    """A body that is answered, or refused, makes room again."""
    body = b'{"workflow": "echo", "input": "%s"}' % (b"x" * 500)
    with given_limits(Settings(held_bytes=600)) as http:
        for _ in range(3):
            assert http.post(f"{API}/instances", content=body, headers=JSON).status_code == 201
            large = http.post(f"{API}/instances", content=body * 2, headers=JSON)
            assert refusal(large) == (429, "overloaded")
            assert http.post(f"{API}/instances", content=b"{" * 500, headers=JSON).status_code == 400
        assert http.app.state.api.held.bytes == 0  # type: ignore[attr-defined]


def test_what_is_refused_is_not_held() -> None:
    """The bytes of those that were let in stay counted."""
    held = Held(10)
    held.add(8)
    with pytest.raises(Overloaded):
        held.add(3)
    assert held.bytes == 8


def answer_each(questions: Sequence[int]) -> list[int | UserError]:
    """Twice the number; odd ones are refused."""
    return [NotFound(str(each)) if each % 2 else 2 * each for each in questions]


def test_questions_are_answered_each_on_its_own() -> None:
    """Whoever asks together with others hears what is theirs."""

    async def test() -> None:
        groups = Groups(answer_each, 1_000)
        answers = await asyncio.gather(*map(groups.ask, range(300)), return_exceptions=True)
        for number, answer in enumerate(answers):
            assert str(answer) == str(number) if number % 2 else answer == 2 * number

    asyncio.run(test())


def test_questions_that_come_meanwhile_are_the_next_group() -> None:
    """A lone one waits for nobody; a second group is begun when it is whole; too many are refused."""
    asked: list[int] = []
    go_on = threading.Event()

    def wait(questions: Sequence[int]) -> list[int]:
        asked.append(len(questions))
        assert go_on.wait(60)
        return list(questions)

    async def test() -> None:
        groups = Groups(wait, 2 * MOST)
        tasks = [asyncio.create_task(groups.ask(number)) for number in range(1 + MOST)]
        while len(asked) < AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0)
        tasks += [asyncio.create_task(groups.ask(number)) for number in range(2 * MOST)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await groups.ask(0)
        assert sorted(asked) == [1, MOST], "two threads may come in any order"
        tasks[5].cancel()  # Whoever has left keeps nobody.
        go_on.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(asked) == [1, MOST, MOST, MOST]

    asyncio.run(test())


def test_after_a_group_of_several_the_next_one_is_gathered() -> None:
    """Who come in following rounds of the event loop are one group; after a lone one nobody waits."""
    asked: list[int] = []

    def note(questions: Sequence[int]) -> list[int]:
        asked.append(len(questions))
        return list(questions)

    async def come(groups: Groups[int, int], count: int) -> None:
        tasks = []
        for number in range(count):
            tasks.append(asyncio.create_task(groups.ask(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    async def test() -> None:
        groups = Groups(note, 1_000)
        await asyncio.gather(*map(groups.ask, range(9)))
        assert asked == [1, 8], "nobody waits at first"
        await come(groups, 9)
        assert asked == [1, 8, 9]
        await come(groups, 1)
        assert asked == [1, 8, 9, 1]
        task = asyncio.create_task(groups.ask(7))
        await asyncio.sleep(0)
        assert [*await asyncio.gather(task, groups.ask(8))] == [7, 8]
        assert asked == [1, 8, 9, 1, 1, 1]

    asyncio.run(test())


def test_a_fault_is_told_to_all_who_asked_together() -> None:
    """And the next ones are answered."""

    def fail(questions: Sequence[int]) -> list[int]:
        if 0 in questions:
            raise ZeroDivisionError
        return list(questions)

    async def test() -> None:
        groups = Groups(fail, 1_000)
        answers = await asyncio.gather(*map(groups.ask, [0, 7]), return_exceptions=True)
        assert isinstance(answers[0], ZeroDivisionError)
        assert await groups.ask(7) == 7

    asyncio.run(test())
