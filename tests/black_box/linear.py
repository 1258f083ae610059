"""Clients that ask a few entities at once while servers are killed or stopped: they hear of one order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from perdure.client import Client
from perdure.engine.errors import NotFound, OperationFailed
from tests.black_box.clients import TROUBLES, Patient
from tests.black_box.customers import Crowd, Customer
from tests.black_box.moments import Watch
from tests.black_box.orders import SHOP
from tests.black_box.processes import Folder, Server
from tests.black_box.zombies import ANSWER_SECONDS, stop_past_lease, two_servers
from tests.linearizability import NEVER, UNKNOWN, Operation, linearizable

ENTITIES = 5
CLIENTS = 4
OPERATIONS = 9
"""Of each client: with the last look at it, a history has 37."""
KILLS = 4
STOPS = 3

SIGNALS = ("signal add",)


def account(state: int, name: str, input: Any) -> tuple[Any, int]:
    """What an account of the shop does, as a model."""
    match name:
        case "add":
            return state + input, state + input
        case "signal add":
            return None, state + input
        case "put":
            return state, input
        case "take" if state >= input:
            return state - input, state - input
        case "take":
            return "InsufficientFunds", state
        case _:
            return state, state


class Caller(Customer):
    """One of those who speak to an account. Some repeat what was not answered; others never know."""

    def __init__(
        self, number: int, entity: str, random: Random, patient: Patient, moments: itertools.count[int]
    ) -> None:
        super().__init__(f"{entity}/{number}", random)
        self.entity = entity
        self.heard: list[Operation] = []
        self._patient = patient
        self.tired = patient.tired
        self.stack.callback(patient.close)
        self._moments = moments

    def place(self, id: str) -> None:
        """One operation."""
        random = self.random
        name = random.choice(["add", "add", "get", "look", "put", "take", "signal add"])
        given = None if name in {"get", "look"} else random.randint(1, 20)
        question = partial(_ask, self.entity, name, given, id)
        # Who asks once while nobody is there learns nothing.
        lost = bool(self.heard) and self.heard[-1].answer is UNKNOWN
        asked, answer, answered = next(self._moments), UNKNOWN, NEVER
        try:
            once = random.random() < 0.4 and not lost
            answer = self._patient.ask_once(name, question) if once else self._patient.ask(name, question)
            answered = next(self._moments)
        except TROUBLES:
            pass
        self.heard.append(Operation(name=name, input=given, answer=answer, asked=asked, answered=answered))
        self.answered += 1
        if len(self.heard) == OPERATIONS:
            self.close()


def _ask(entity: str, name: str, given: Any, key: str, client: Client) -> Any:
    if name == "look":
        try:
            return client.entity(entity)["state"]
        except NotFound:  # An entity in its first state is not kept.
            return 0
    if name in SIGNALS:
        client.signal_entity(entity, name.removeprefix("signal "), given, request_key=key)
        return None
    answer = None
    while answer is None:
        try:
            # Often, so that nobody waits for long with somebody who is stopped.
            answer = client.call_entity(entity, name, given, timeout=1.0, request_key=key)
        except OperationFailed as error:
            return error.error["type"]
    return answer["result"]


def kill_under_calls(path: Path, seed: int, mutant: str | None = None) -> Counter[str]:
    """Some histories, and a server that is killed in the midst of them.

    Raises when no order explains one of them.
    """
    folder, counts = Folder(path), Counter[str]()
    with ExitStack() as stack:
        server = Server(folder, mutant=mutant)
        stack.callback(server.kill)

        def kill(random: Random, watch: Watch) -> None:
            if counts["kills"] < KILLS:
                server.kill()
                counts["kills"] += 1
                server.begin()
                server.ready()

        _call(folder, seed, [server], kill, counts, stack)
        assert server.end() == 0, "a server that is told to ends well"
    return counts


def stop_under_calls(path: Path, seed: int, mutant: str | None = None) -> Counter[str]:
    """The same with two servers, of which one is stopped until the other has taken its place.

    What was asked of it meanwhile it answers late, and must not answer from what it remembers.
    """
    folder, counts = Folder(path), Counter[str]()
    with ExitStack() as stack:
        servers = two_servers(folder, stack, mutant)

        def stop(random: Random, watch: Watch) -> None:
            if counts["stops"] < STOPS:
                stop_past_lease(servers, random, watch, counts)

        _call(folder, seed, servers, stop, counts, stack)
        for each in servers:
            assert each.end() == 0, "a server that is told to ends well"
    return counts


def _call(
    folder: Folder,
    seed: int,
    servers: Sequence[Server],
    trouble: Callable[[Random, Watch], None],
    counts: Counter[str],
    stack: ExitStack,
) -> None:
    """Let callers speak to the accounts, make trouble, and look at what they heard."""
    random, moments = Random(f"linear {seed}"), itertools.count()
    urls = [each.url for each in servers]

    def asking(first: int) -> Patient:
        turned = urls[first % len(urls) :] + urls[: first % len(urls)]
        return Patient(turned, counts, answer_seconds=ANSWER_SECONDS)

    patient = asking(0)
    stack.callback(patient.close)
    patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
    callers = [
        Caller(n, f"Account@{e}", Random(f"{seed} {e} {n}"), asking(n), moments)
        for e in range(ENTITIES)
        for n in range(CLIENTS)
    ]
    crowd = Crowd(callers)
    watch = Watch(folder, crowd)
    with crowd.working():
        while not crowd.over and not crowd.failed:
            watch.wait(watch.draw(random, 12, ("written", "answered")))
            trouble(random, watch)
    for number in range(ENTITIES):
        entity = f"Account@{number}"
        heard = [each for caller in callers if caller.entity == entity for each in caller.heard]
        asked = next(moments)
        state = patient.ask("get", partial(_ask, entity, "get", None, "the last one"))
        last = Operation(name="get", answer=state, asked=asked, answered=next(moments))
        check_history(heard, last)
        counts["histories"] += 1
        counts["operations"] += len(heard) + 1
        counts["operations that nobody heard of"] += sum(each.answer is UNKNOWN for each in heard)


def check_history(heard: Sequence[Operation], last: Operation) -> None:
    """Whether what was heard of one account agrees with one order of operations (I8).

    A signal is in its place among all that is asked of the entity when it is acknowledged. Whoever looks
    at what is committed may do so before it is carried out: then only ``last``, which is asked when
    everything else is over, has to see it.
    """
    asked = [*(each for each in heard if each.name != "look"), last]
    assert linearizable(asked, 0, account), f"no order explains {_told(asked)}"
    late = [
        replace(each, answered=last.asked - 0.5) if each.name in SIGNALS and each.answered < NEVER else each
        for each in heard
    ]
    assert linearizable([*late, last], 0, account), f"no order explains {_told([*late, last])}"


def _told(history: Sequence[Operation]) -> str:
    return "\n".join(str(each) for each in sorted(history, key=lambda each: each.asked))
