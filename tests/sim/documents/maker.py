"""Makes a document: a header, some steps of the kinds there are, and the return of everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.sim.documents.model import Broken, Document, Outcome, Run, State, Step

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

    always: Sequence[Kind]
    once: Sequence[Kind]
    """Only among the outermost steps: each round of the instance comes there once."""
    top: Sequence[Kind]
    """Only among the outermost steps, or those of a loop there."""
    simple: Sequence[Kind]
    alone: Sequence[Kind]
    """Only where nothing goes on beside it."""
    groups: Sequence[Kind]

    def some(self, random: Random) -> Kinds:
        """Each of them or not: a document with little in it has much of that."""
        return self._filtered(lambda _: random.random() < 0.6)

    def without(self, unwanted: frozenset[Kind]) -> Kinds:
        """All but some."""
        return self._filtered(lambda kind: kind not in unwanted)

    def _filtered(self, wanted: Callable[[Kind], bool]) -> Kinds:
        def drawn(kinds: Sequence[Kind]) -> Sequence[Kind]:
            return [each for each in kinds if wanted(each)]

        return Kinds(
            self.always,
            drawn(self.once),
            drawn(self.top),
            drawn(self.simple),
            drawn(self.alone),
            drawn(self.groups),
        )


class Maker:
    """One document in the making."""

    def __init__(self, random: Random, kinds: Kinds, *, long_time: bool, queued: bool) -> None:
        self.random = random
        self.long_time = long_time
        self.events = self.published = 0
        self.attempts: dict[str, int] = {}
        self.children: list[str] = []
        self.one_way = False
        self.queued = queued and random.random() < 0.3
        """Whether activities say where they run, and when."""
        self._kinds = kinds.some(random)
        self._count = 0
        self._left = MAX_STEPS

    def document(self) -> Document:
        """A header, some steps or a loop of them, and the return of everything."""
        loops = self.random.random() < 0.15
        steps, run, rounds = self._loop() if loops else self._generations()
        header = {"dsl": "perdure/1", "name": "flow", "version": "1.0.0", "vars": {"total": 0, "turns": 0}}
        queries = {"total": "${ vars.total }"}
        return Document(
            text=written({**header, "queries": queries, "do": steps}),
            run=run,
            attempts=self.attempts,
            events=self.events * rounds,
            published=self.published * rounds,
            children=tuple(self.children),
            one_way=self.one_way,
        )

    def _generations(self) -> tuple[list[Any], Outcome, int]:
        """Steps, perhaps the same again in more generations."""
        rounds = self.random.choice([1, 1, 1, 2, 4])
        place = Place(0, [], concurrent=False)
        more = [*self._kinds.top, *self._kinds.once]
        steps, runs = self._steps(place, more, count=self.random.randint(2, 5))
        names = place.names
        returned = {name: f"${{ {name} }}" for name in names}
        if rounds > 1:
            again = {
                "input": {"n": "${ input.n + 1 }", "round": "${ input.round + 1 }"},
                "events": "carry",
            }
            steps.append({"if": f"${{ input.round < {rounds} }}", "then": [{"continue_as_new": again}]})
        steps.append({"return": {**returned, "vars": "${ vars.total }", "n": "${ input.n }"}})

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

        return steps, run, rounds

    def _loop(self) -> tuple[list[Any], Outcome, int]:
        """Steps in a loop that begins a new generation now and then."""
        rounds, every = self.random.randint(2, 6), self.random.randint(1, 3)
        place = Place(1, ["turn"], concurrent=False)
        steps, runs = self._steps(place, self._kinds.top, count=self.random.randint(1, 3))
        own = place.names[1:]
        total = " + ".join(["vars.total", *own])
        steps.append({"set": {"total": f"${{ {total} }}", "turns": "${ vars.turns + 1 }"}})
        again = {
            "until": f"${{ vars.turns >= {rounds} }}",
            "limit": 10,
            "checkpoint_every": every,
            "at": "turn",
            "do": steps,
        }

        def run(n: int) -> tuple[str, Any, State]:
            state = State({}, vars={"total": 0})
            for turn in range(rounds):
                state.names = {"input.n": n, "turn": turn}
                for each in runs:
                    each(state)
                state.vars["total"] += sum(state.names[name] for name in own)
            return "Completed", {"vars": state.vars["total"], "n": n}, state

        return [{"turns": again}, {"return": {"vars": "${ vars.total }", "n": "${ input.n }"}}], run, rounds

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
        steps, runs = self._steps(place, [], count=self.random.randint(1, 2))
        own = place.names[before:]
        steps.append({"output": "${ " + " + ".join(["0", *own]) + " }"})

        def run(state: State) -> int:
            for each in runs:
                each(state)
            return sum(state.names[name] for name in own)

        return steps, run

    def _steps(
        self, place: Place, more: Sequence[Kind], *, count: int
    ) -> tuple[list[dict[str, Any]], list[Run]]:
        made = [self._step(place, more) for _ in range(count)]
        return [step for step, _ in made], [run for _, run in made]

    def _step(self, place: Place, more: Sequence[Kind]) -> Step:
        self._left -= 1
        kinds = [*self._kinds.always, *self._kinds.simple, *more]
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

    def time(self, short: str, long: str) -> str:
        """A duration that suits the time of this run."""
        return long if self.long_time else short

    def work(self, name: str, **more: Any) -> dict[str, Any]:
        """A call of the activity that works, under a label."""
        return {"call": "Work", "with": {"label": name, "n": 1, "fails": 0, **more}}

    def named(self, place: Place, name: str, task: dict[str, Any], value: Run) -> Step:
        """A step whose value is a number that later ones see."""
        place.names.append(name)

        def run(state: State) -> None:
            state.names[name] = value(state)

        return {name: task}, run


def written(document: dict[str, Any]) -> str:
    """A document as YAML."""
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in document.items())
