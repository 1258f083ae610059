"""Makes a document: a header, some steps of the kinds there are, and the return of everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.sim.documents.model import Broken, Document, Run, State, Step

MAX_STEPS = 14
MAX_DEPTH = 3


@dataclass(frozen=True)
class Place:
    """Where a step stands."""

    depth: int
    names: list[str]
    """The numbers visible here; they grow."""
    concurrent: bool
    """Whether something else may go on meanwhile, so that variables are not touched."""


Kind = Callable[["Maker", Place], Step]


@dataclass(frozen=True)
class Kinds:
    """What a document is made of."""

    top: Sequence[Kind]
    """Only among the outermost steps."""
    simple: Sequence[Kind]
    alone: Sequence[Kind]
    """Only where nothing goes on beside it."""
    groups: Sequence[Kind]


class Maker:
    """One document in the making."""

    def __init__(self, random: Random, kinds: Kinds, *, long_time: bool) -> None:
        self.random = random
        self.long_time = long_time
        self.events = 0
        self.attempts: dict[str, int] = {}
        self.children: list[str] = []
        self._kinds = kinds
        self._count = 0
        self._left = MAX_STEPS

    def document(self) -> Document:
        """A header, some steps, perhaps more generations, and the return of everything."""
        rounds = self.random.choice([1, 1, 1, 2, 4])
        place = Place(0, [], concurrent=False)
        steps, runs = self._steps(place, top=True, count=self.random.randint(2, 5))
        names = place.names
        returned = {name: f"${{ {name} }}" for name in names}
        if rounds > 1:
            again = {
                "input": {"n": "${ input.n + 1 }", "round": "${ input.round + 1 }"},
                "events": "carry",
            }
            steps.append({"if": f"${{ input.round < {rounds} }}", "then": [{"continue_as_new": again}]})
        steps.append({"return": {**returned, "vars": "${ vars.total }", "n": "${ input.n }"}})
        header = {"dsl": "perdure/1", "name": "flow", "version": "1.0.0", "vars": {"total": 0}}

        def run(n: int) -> tuple[str, Any, State]:
            state = State({})
            for round_ in range(1, rounds + 1):
                state.names, state.vars = {"input.n": n + round_ - 1}, {"total": 0}
                try:
                    for each in runs:
                        each(state)
                except Broken as error:
                    return "Failed", str(error), state
            output = {name: state.names[name] for name in names}
            return "Completed", {**output, "vars": state.vars["total"], "n": n + rounds - 1}, state

        text = written({**header, "do": steps})
        return Document(text, run, self.attempts, self.events * rounds, tuple(self.children))

    # -- blocks -----------------------------------------------------------------------------------

    def block(self, place: Place, *more: str, concurrent: bool | None = None) -> tuple[list[Any], Run]:
        """A block within a step, in which there are ``more`` names; its value is the sum of its own."""
        return self.inside(
            Place(
                place.depth + 1,
                [*place.names, *more],
                place.concurrent if concurrent is None else concurrent,
            )
        )

    def inside(self, place: Place) -> tuple[list[Any], Run]:
        """The steps of a block whose value is the sum of its own numbers."""
        before = len(place.names)
        steps, runs = self._steps(place, count=self.random.randint(1, 2))
        own = place.names[before:]
        steps.append({"output": "${ " + " + ".join(["0", *own]) + " }"})

        def run(state: State) -> int:
            for each in runs:
                each(state)
            return sum(state.names[name] for name in own)

        return steps, run

    def _steps(self, place: Place, *, top: bool = False, count: int) -> tuple[list[Any], list[Run]]:
        made = [self._step(place, top=top) for _ in range(count)]
        return [step for step, _ in made], [run for _, run in made]

    def _step(self, place: Place, *, top: bool) -> Step:
        self._left -= 1
        kinds = [*self._kinds.simple]
        if top:
            kinds += self._kinds.top
        if not place.concurrent:
            kinds += self._kinds.alone
        if place.depth < MAX_DEPTH and self._left > 0:
            kinds += self._kinds.groups
        return self.random.choice(kinds)(self, place)

    # -- parts ------------------------------------------------------------------------------------

    def name(self) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"s{self._count}"

    def number(self, names: list[str]) -> tuple[str, Run]:
        """An expression for a number, and what it is."""
        if names and self.random.random() < 0.6:
            name, more = self.random.choice(names), self.random.randint(0, 3)
            return f"{name} + {more}", lambda state: state.names[name] + more
        if self.random.random() < 0.3:
            return "input.n", lambda state: state.names["input.n"]
        number = self.random.randint(0, 9)
        return str(number), lambda state: number

    def named(self, place: Place, name: str, task: dict[str, Any], value: Run) -> Step:
        """A step whose value is a number that later ones see."""
        place.names.append(name)

        def run(state: State) -> None:
            state.names[name] = value(state)

        return {name: task}, run


def written(document: dict[str, Any]) -> str:
    """A document as YAML."""
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in document.items())
