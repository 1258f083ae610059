"""Random valid workflows whose outcome is known: each activity does one thing, and nothing is left to chance.

A document is made together with a small interpreter of it in Python, which says what its output is and how
often each activity has to be carried out. That is the oracle; it knows nothing of the engine.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from perdure import entity, readonly

MAX_STEPS = 14

TALLY = """\
dsl: perdure/1
kind: entity
name: Tally
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ input }" }
  get: { readonly: true, return: "${ state }" }
  put: { input: { type: integer }, set: "${ input }" }
"""
"""The entity that documents speak to; ``Count`` is the same in Python."""


@entity
class Count:
    """As ``TALLY``."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Add."""
        self.value += amount
        return amount

    @readonly
    def get(self) -> int:
        """Look."""
        return self.value

    def put(self, value: int) -> None:
        """Write."""
        self.value = value


class Broken(Exception):
    """The workflow fails here, with an error of this name."""


@dataclass
class State:
    """What the interpreter knows while it runs a document."""

    names: dict[str, Any]
    calls: Counter[str] = field(default_factory=Counter)
    """How often each labelled activity has to be carried out."""
    optional: set[str] = field(default_factory=set)
    """Labels of activities that may be cut short."""
    vars: dict[str, Any] = field(default_factory=dict)
    heard: int = 0
    """Events so far."""
    totals: Counter[str] = field(default_factory=Counter)
    """What entities were given, by their ids."""


Run = Callable[[State], Any]


@dataclass(frozen=True)
class Document:
    """A workflow, and what it does."""

    text: str
    run: Callable[[int], tuple[str, Any, State]]
    """From the input to the status, the output (or the error's name) and the rest."""
    attempts: dict[str, int]
    """How often each labelled activity is carried out for one call, when nothing goes wrong."""
    events: int
    """How many events ``Go`` it has to be sent, with the payloads 1, 2, ..."""
    children: tuple[str, ...] = ()
    """The workflows that it calls."""


def make(seed: int, *, long_time: bool) -> Document:
    """The document of a seed."""
    return _Maker(Random(f"document {seed}"), long_time=long_time).document()


class _Maker:
    def __init__(self, random: Random, *, long_time: bool) -> None:
        self._random = random
        self._long_time = long_time
        self._count = 0
        self._left = MAX_STEPS
        self._events = 0
        self._attempts: dict[str, int] = {}
        self._children: list[str] = []

    def document(self) -> Document:
        """A header, some steps, perhaps more generations, and the return of everything."""
        rounds = self._random.choice([1, 1, 1, 2, 4])
        names: list[str] = []
        steps, runs = self._steps(0, names, top=True, count=self._random.randint(2, 5))
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

        text = "\n".join(f"{key}: {json.dumps(value)}" for key, value in {**header, "do": steps}.items())
        return Document(text, run, self._attempts, self._events * rounds, tuple(self._children))

    # -- blocks -----------------------------------------------------------------------------------

    def _steps(
        self, depth: int, names: list[str], *, top: bool = False, concurrent: bool = False, count: int = 0
    ) -> tuple[list[dict[str, Any]], list[Run]]:
        """Some steps; ``names`` are the numbers visible here, and grow."""
        steps, runs = [], []
        for _ in range(count or self._random.randint(1, 2)):
            step, run = self._step(depth, names, top=top, concurrent=concurrent)
            steps.append(step)
            runs.append(run)
        return steps, runs

    def _block(self, depth: int, names: list[str], *, concurrent: bool) -> tuple[list[dict[str, Any]], Run]:
        """A block with a value: the sum of its own numbers."""
        inner = list(names)
        steps, runs = self._steps(depth, inner, concurrent=concurrent)
        own = inner[len(names) :]
        steps.append({"output": "${ " + " + ".join(["0", *own]) + " }"})

        def run(state: State) -> int:
            for each in runs:
                each(state)
            return sum(state.names[name] for name in own)

        return steps, run

    def _step(
        self, depth: int, names: list[str], *, top: bool, concurrent: bool
    ) -> tuple[dict[str, Any], Run]:
        self._left -= 1
        simple = [self._call, self._call, self._call, self._value, self._wait, self._late_event]
        if top:
            simple += [self._event, self._event]
        simple += [self._add, self._tell, self._locked]
        if not concurrent:
            simple.append(self._set)
        groups = [
            self._do,
            self._switch,
            self._try,
            self._saga,
            self._fan_out,
            self._fan_out,
            self._parallel,
            self._race,
            self._for_each,
            self._until,
            self._bound,
            self._child,
        ]
        kinds = simple if depth >= 3 or self._left <= 0 else simple + groups
        return self._random.choice(kinds)(depth, names, concurrent)

    def _name(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _number(self, names: list[str]) -> tuple[str, Run]:
        """An expression for a number, and what it is."""
        if names and self._random.random() < 0.6:
            name, more = self._random.choice(names), self._random.randint(0, 3)
            return f"{name} + {more}", lambda state: state.names[name] + more
        if self._random.random() < 0.3:
            return "input.n", lambda state: state.names["input.n"]
        number = self._random.randint(0, 9)
        return str(number), lambda state: number

    def _named(self, names: list[str], name: str, task: dict[str, Any], value: Run) -> tuple[Any, Run]:
        names.append(name)

        def run(state: State) -> None:
            state.names[name] = value(state)

        return {name: task}, run

    # -- plain steps ------------------------------------------------------------------------------

    def _call(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name = self._name()
        text, number = self._number(names)
        fails = self._random.choice([0, 0, 0, 1, 2])
        self._attempts[name] = fails + 1
        task: dict[str, Any] = {
            "call": "Work",
            "with": {"label": name, "n": f"${{ {text} }}", "fails": fails},
        }
        if fails:
            delay = "3h" if self._long_time else "200ms"
            task["retry"] = {"attempts": fails + 1, "delay": delay, "backoff": 1.5}

        def value(state: State) -> int:
            state.calls[name] += 1
            return int(number(state)) * 2 + 1

        return self._named(names, name, task, value)

    def _value(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        text, number = self._number(names)
        return self._named(names, self._name(), {"value": f"${{ {text} + 1 }}"}, lambda s: number(s) + 1)

    def _wait(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        duration = self._random.choice(["1h", "9h", "40d"] if self._long_time else ["1ms", "700ms", "4s"])
        return {self._name(): {"wait": duration}}, lambda state: None

    def _set(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        text, number = self._number(names)

        def run(state: State) -> None:
            state.vars["total"] += number(state)

        return {"set": {"total": f"${{ vars.total + {text} }}"}}, run

    def _event(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """All have one name, and each its number: one too many, too few or out of order is seen."""
        self._events += 1

        def value(state: State) -> int:
            state.heard += 1
            return state.heard

        return self._named(names, self._name(), {"wait_for_event": "Go", "timeout": "never"}, value)

    def _late_event(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """Nobody sends it: the timeout decides."""
        name, timeout = self._name(), "30d" if self._long_time else "2s"
        task = {
            "wait_for_event": f"Never_{name}",
            "timeout": timeout,
            "on_timeout": [{"output": 7}],
        }
        return self._named(names, name, task, lambda state: 7)

    # -- entities ---------------------------------------------------------------------------------

    def _entity(self) -> str:
        """One of few, so that instances meet there: of YAML or in Python."""
        return f"{self._random.choice(['Tally', 'Count'])}@{self._random.choice('ab')}"

    def _add(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """A call that gives back what it adds."""
        entity, (text, number) = self._entity(), self._number(names)
        task = {"call_entity": entity, "op": "add", "with": f"${{ {text} }}"}

        def value(state: State) -> int:
            state.totals[entity] += number(state)
            return int(number(state))

        return self._named(names, self._name(), task, value)

    def _tell(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        entity, (text, number) = self._entity(), self._number(names)
        told: dict[str, Any] = {"entity": entity, "op": "add", "with": f"${{ {text} }}"}
        if self._random.random() < 0.3:
            later = "5h" if self._long_time else "2s"
            told["at"] = f"${{ now() + duration('{later}') }}"

        def run(state: State) -> None:
            state.totals[entity] += number(state)

        return {"signal_entity": told}, run

    def _locked(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """Read and write, which is right only if nobody comes between."""
        name, (text, number) = self._name(), self._number(names)
        entities = list(dict.fromkeys([self._entity(), self._entity()]))
        steps: list[dict[str, Any]] = []
        for place, each in enumerate(entities):
            seen = f"{name}_{place}"
            steps += [
                {seen: {"call_entity": each, "op": "get"}},
                {f"{seen}w": {"call_entity": each, "op": "put", "with": f"${{ {seen} + {text} }}"}},
            ]
        task = {"lock_entities": entities, "do": [*steps, {"output": 5}]}

        def value(state: State) -> int:
            for each in entities:
                state.totals[each] += number(state)
            return 5

        return self._named(names, name, task, value)

    # -- groups -----------------------------------------------------------------------------------

    def _do(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name = self._name()
        steps, value = self._block(depth + 1, names, concurrent=concurrent)
        return self._named(names, name, {"do": steps}, value)

    def _bound(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """A block with a deadline that is never reached by itself, and retry that is never needed."""
        name = self._name()
        steps, value = self._block(depth + 1, names, concurrent=True)
        return self._named(names, name, {"do": steps, "deadline": "9000d", "retry": {"attempts": 2}}, value)

    def _child(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """A block in an instance of its own."""
        name = self._name()
        text, number = self._number(names)
        steps, value = self._block(depth + 1, [], concurrent=True)
        result = steps.pop()["output"]
        child = {"dsl": "perdure/1", "name": f"child-{name}", "version": "1.0.0"}
        body = {**child, "do": [*steps, {"return": result}]}
        self._children.append("\n".join(f"{key}: {json.dumps(value)}" for key, value in body.items()))
        task = {"call_workflow": f"child-{name}", "with": {"n": f"${{ {text} }}"}}

        def run(state: State) -> int:
            before, given = dict(state.names), number(state)
            state.names = {"input.n": given}
            found = value(state)
            state.names = before
            return int(found)

        return self._named(names, name, task, run)

    def _switch(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name = self._name()
        text, number = self._number(names)
        even, when_even = self._block(depth + 1, names, concurrent=concurrent)
        odd, when_odd = self._block(depth + 1, names, concurrent=concurrent)
        task = {"switch": [{"when": f"${{ ({text}) % 2 == 0 }}", "do": even}], "else": odd}
        return self._named(names, name, task, lambda s: when_even(s) if number(s) % 2 == 0 else when_odd(s))

    def _try(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """What is done before the error is done; the error is caught; ``finally`` is done once."""
        name, fatal, last = self._name(), self._name(), self._name()
        steps, value = self._block(depth + 1, names, concurrent=concurrent)
        breaks = self._random.random() < 0.6
        if breaks:
            broken = {"call": "Break", "with": fatal}
            steps.insert(len(steps) - 1, {fatal: broken})
        task = {
            "try": steps,
            "catch": [{"errors": ["Broken"], "do": [{"output": 100}]}],
            "finally": [{last: {"call": "Work", "with": {"label": last, "n": 1, "fails": 0}}}],
        }

        def run(state: State) -> int:
            result = value(state)
            if breaks:
                state.calls[fatal] += 1
                result = 100
            state.calls[last] += 1
            return int(result)

        return self._named(names, name, task, run)

    def _saga(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """What is done in it is undone if it breaks, each once; the error is caught."""
        name, inner, fatal = self._name(), self._name(), self._name()
        steps, value = self._block(depth + 1, names, concurrent=concurrent)
        pairs = [(self._name(), self._name()) for _ in range(self._random.randint(1, 2))]
        for place, (done, undone) in enumerate(pairs):
            fails = self._random.choice([0, 0, 1])
            self._attempts[undone] = fails + 1
            undo = {
                "on": "attempted",
                "call": "Work",
                "with": {"label": undone, "n": 1, "fails": fails},
                "retry": {"attempts": fails + 1, "delay": "3h" if self._long_time else "200ms"},
            }
            work = {"call": "Work", "with": {"label": done, "n": 1, "fails": 0}, "compensate": undo}
            steps.insert(place * (len(steps) - 1), {done: work})
        breaks = self._random.random() < 0.6
        last = {"call": "Break", "with": fatal} if breaks else {"value": 1}
        mark = {"call": "Work", "with": {"label": f"mark{inner}", "n": 1, "fails": 0}}
        steps[-1:-1] = [{fatal: last}, {f"mark{inner}": mark}]
        task = {
            "try": [{inner: {"saga": steps}}, {"output": f"${{ {inner} }}"}],
            "catch": [{"errors": ["Broken"], "do": [{"output": 100}]}],
        }

        def run(state: State) -> int:
            result = value(state)
            state.calls.update(done for done, _ in pairs)
            if breaks:
                state.calls[fatal] += 1
                state.calls.update(undone for _, undone in pairs)
                return 100
            state.calls[f"mark{inner}"] += 1
            return int(result)

        return self._named(names, name, task, run)

    def _fan_out(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """Some items break, if failures are collected; the value is the sum of the others."""
        name, fatal = self._name(), self._name()
        items = self._random.sample(range(20), self._random.randint(1, 5))
        item = f"i{name}"
        steps, value = self._block(depth + 1, [*names, item], concurrent=True)
        broken = {each for each in items if self._random.random() < 0.2}
        if broken:
            steps.insert(
                0,
                {
                    "if": f"${{ {item} in {sorted(broken)} }}",
                    "then": [{fatal: {"call": "Break", "with": fatal}}],
                },
            )
        task = {
            "fan_out": items,
            "each": item,
            "key": f"${{ string({item}) }}",
            "width": self._random.randint(1, 4),
            "on_failure": "collect",
            "chunk": self._random.choice(["auto", 1, 2]),
            "do": steps,
            "output": "${ result.results.filter(x, x != null).sum() }",
        }

        def run(state: State) -> int:
            before, total = dict(state.names), 0
            for each in items:
                state.names = {**before, item: each}
                if each in broken:
                    state.calls[fatal] += 1
                else:
                    total += value(state)
            state.names = before
            return total

        return self._named(names, name, task, run)

    def _parallel(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name = self._name()
        branches = {
            branch: self._block(depth + 1, names, concurrent=True)
            for branch in ["a", "b", "c"][: self._random.randint(2, 3)]
        }
        task = {
            "parallel": {branch: steps for branch, (steps, _) in branches.items()},
            "output": "${ " + " + ".join(f"result.{branch}" for branch in branches) + " }",
        }

        def run(state: State) -> int:
            before, total = dict(state.names), 0
            for _, value in branches.values():
                state.names = dict(before)
                total += value(state)
            state.names = before
            return total

        return self._named(names, name, task, run)

    def _race(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        """Who wins is left open, so nothing of it is returned, and nobody has to have done anything."""
        name, first, second = self._name(), self._name(), self._name()
        wait = "2h" if self._long_time else "1s"
        task = {
            "race": {
                "a": [{first: {"call": "Work", "with": {"label": first, "n": 1, "fails": 0}}}],
                "b": [
                    {f"w{second}": {"wait": wait}},
                    {second: {"call": "Work", "with": {"label": second, "n": 1, "fails": 0}}},
                ],
            },
            "output": 3,
        }

        def run(state: State) -> int:
            state.optional |= {first, second}
            state.calls[first] += 1
            state.calls[second] += 1
            return 3

        return self._named(names, name, task, run)

    def _for_each(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name = self._name()
        items = [self._random.randint(0, 9) for _ in range(self._random.randint(0, 3))]
        item = f"i{name}"
        steps, value = self._block(depth + 1, [*names, item], concurrent=concurrent)
        task = {"for_each": items, "each": item, "do": steps, "output": "${ result.sum() }"}

        def run(state: State) -> int:
            before, total = dict(state.names), 0
            for each in items:
                state.names = {**before, item: each}
                total += value(state)
            state.names = before
            return total

        return self._named(names, name, task, run)

    def _until(self, depth: int, names: list[str], concurrent: bool) -> tuple[Any, Run]:
        name, rounds = self._name(), self._random.randint(1, 3)
        index = f"x{name}"
        steps, value = self._block(depth + 1, [*names, index], concurrent=concurrent)
        task = {"until": f"${{ {index} >= {rounds - 1} }}", "limit": 5, "at": index, "do": steps}

        def run(state: State) -> int:
            before, last = dict(state.names), 0
            for each in range(rounds):
                state.names = {**before, index: each}
                last = value(state)
            state.names = before
            return last

        return self._named(names, name, task, run)
