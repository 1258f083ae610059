from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import pytest

from tests.linearizability import UNKNOWN, Operation, linearizable


def register(state: int, name: str, input: Any) -> tuple[Any, int]:
    """A number that is added to and read."""
    if name == "add":
        return state + input, state + input
    return state, state


def add(amount: int, answer: Any, asked: float, answered: float = float("inf")) -> Operation:
    """Something that changes it."""
    return Operation(name="add", input=amount, answer=answer, asked=asked, answered=answered)


def get(answer: Any, asked: float, answered: float) -> Operation:
    """Something that does not."""
    return Operation(name="get", answer=answer, asked=asked, answered=answered)


RIGHT = {
    "nothing": [],
    "one after the other": [add(1, 1, 0, 1), get(1, 2, 3), add(2, 3, 4, 5)],
    "the later answer first": [add(1, 3, 0, 5), add(2, 2, 1, 2), get(2, 3, 4)],
    "a lost answer that was done": [add(5, UNKNOWN, 0), get(5, 1, 2)],
    "a lost answer that was done late": [add(5, UNKNOWN, 0), get(0, 1, 2), get(5, 3, 4)],
    "a lost answer that was not done": [add(5, UNKNOWN, 0), get(0, 1, 2), add(1, 1, 3, 4)],
}
WRONG = {
    "an answer from nowhere": [get(1, 0, 1)],
    "a stale read": [add(1, 1, 0, 1), get(0, 2, 3)],
    "done twice": [add(1, 1, 0, 1), get(2, 2, 3)],
    "done once, answered twice": [add(1, 1, 0, 1), add(1, 1, 2, 3)],
    "acknowledged and lost": [add(1, 1, 0, 1), add(2, 2, 2, 3), get(2, 4, 5)],
    "seen, and then not": [add(5, UNKNOWN, 0), get(5, 1, 2), get(0, 3, 4)],
    "before it was asked": [get(5, 0, 1), add(5, UNKNOWN, 2)],
    "a lost answer that was done twice": [add(5, UNKNOWN, 0), get(10, 1, 2)],
}


@pytest.mark.parametrize("history", RIGHT.values(), ids=RIGHT)
def test_a_history_that_an_order_explains(history: list[Operation]) -> None:
    """Concurrent operations may have happened in any order, and what nobody heard of may have or not."""
    assert linearizable(history, 0, register)


@pytest.mark.parametrize("history", WRONG.values(), ids=WRONG)
def test_a_history_that_no_order_explains(history: list[Operation]) -> None:
    """Whatever is stale, lost, done twice or against real time is found."""
    assert not linearizable(history, 0, register)


@pytest.mark.parametrize("seed", range(40))
def test_the_search_agrees_with_trying_every_order(seed: int) -> None:
    """On small random histories, right ones and wrong ones, it finds what brute force finds."""
    random = Random(seed)
    history = []
    for _ in range(5):
        asked = random.randrange(8)
        operation = random.choice([add(1, 0, asked), get(0, asked, 0)])
        known = operation.name == "get" or random.random() < 0.8
        answer, answered = random.randrange(4), asked + random.randrange(1, 6)
        history.append(
            Operation(
                name=operation.name,
                input=operation.input,
                answer=answer if known else UNKNOWN,
                asked=asked,
                answered=answered if known else float("inf"),
            )
        )
    orders = [order for size in range(len(history) + 1) for order in permutations(history, size)]
    assert linearizable(history, 0, register) == any(_explains(order, history) for order in orders)


def _explains(order: tuple[Operation, ...], history: list[Operation]) -> bool:
    if any(each.answer is not UNKNOWN and each not in order for each in history):
        return False
    if any(later.answered < earlier.asked for n, earlier in enumerate(order) for later in order[n:]):
        return False
    state = 0
    for each in order:
        answer, state = register(state, each.name, each.input)
        if each.answer is not UNKNOWN and each.answer != answer:
            return False
    return True
