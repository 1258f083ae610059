"""``functions``: each entry is one task, put in anew wherever a ``call`` names it.

The task of the function ``f`` that is called by the step at ``P`` has the path ``P/f``; the path of its
declaration is ``functions/f``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from perdure.dsl import model
from perdure.dsl.decode_keys import Common, Keys, child
from perdure.dsl.diagnostics import quote
from perdure.dsl.forms import NOTHING, plain
from perdure.dsl.nodes import Entry, MapNode, Node, descendants
from perdure.dsl.source import Span

MAX_STEPS = 2_000
"""Steps of a document with its functions put in, about: a function is put in while there are fewer."""
MAX_PARTS = 5_000
"""Values that functions are made of, each time that one is put in: every expression is checked anew."""
MAX_DEPTH = 40
"""Blocks and functions around a function that is put in."""
ALLOWED = ("call", "with", "if", "output", "summary", "tags", "timeout", "deadline", "retry")

Task = Callable[[Entry, MapNode, str], model.Step]


class Functions:
    """The functions of one document; counts what is made of it."""

    def __init__(self, entries: Mapping[str, Entry], keys: Keys) -> None:
        self._entries = entries
        self._keys = keys
        self._open: list[str] = []
        self._places: list[Span] = []
        """Where the functions are called that are being put in, outer ones first."""
        self._depth = 0
        self._steps = 0
        self._parts = 0
        self._sizes: dict[str, int] = {}
        self._full = False
        self._endless: set[str] = set()
        """Functions that were reported to call themselves."""

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @contextmanager
    def level(self) -> Iterator[None]:
        """What is made inside is one block deeper."""
        self._depth += 1
        yield
        self._depth -= 1

    def count(self) -> None:
        """One more step is made."""
        self._steps += 1

    def declared(self, task: Task) -> tuple[model.Function, ...]:
        """All functions as they are written."""
        return tuple(
            model.Function(name=name, body=self._body(name, f"functions/{name}", task), span=entry.key.span)
            for name, entry in self._entries.items()
        )

    def use(self, node: MapNode, common: Common, task: Task) -> model.Use:
        """The call of a function, with its task put in."""
        function = child(node, "call")
        name = str(plain(function))
        for entry in node.entries:
            if entry.name not in ALLOWED:
                hint = f"write it in the function's own step: 'functions: {{{name}: {{{entry.name}: …}}}}'"
                message = f"{quote(entry.name)} is not possible in the call of a function"
                self._keys.forms.error("PD231", message, entry.key.span, hint)
        path = f"{common['path']}/{name}"
        self._places.append(function.span)
        body = self._body(name, path, task) if self._may_put_in(name, function) else self._nothing(name, path)
        self._places.pop()
        return model.Use(
            function=name,
            function_span=function.span,
            arguments=self._keys.value(node, "with"),
            body=body,
            **self._keys.bounds(node),
            **common,
        )

    def _may_put_in(self, name: str, place: Node) -> bool:
        if name in self._open:
            self._calls_itself(self._open[self._open.index(name) :], place)
            return False
        if self._steps < MAX_STEPS and self._parts < MAX_PARTS and self._depth < MAX_DEPTH:
            return True
        if not self._full:
            self._full = True
            what = f"more than {MAX_STEPS:,} steps"
            if self._parts >= MAX_PARTS:
                what = f"more than {MAX_PARTS:,} values in them"
            if self._depth >= MAX_DEPTH:
                what = f"blocks more than {MAX_DEPTH} deep"
            message = f"with its functions put in, the workflow has {what}"
            hint = "make it a workflow of its own, and run that with 'call_workflow'"
            self._keys.forms.error("PD408", message, self._places[0], hint)
        return False

    def _calls_itself(self, circle: list[str], place: Node) -> None:
        if not self._endless.intersection(circle):
            chain = " calls ".join(map(quote, [*circle, circle[0]]))
            hint = "functions are put in where they are called; repeat with a loop, or call a workflow"
            self._keys.forms.error("PD232", f"a function calls itself: {chain}", place.span, hint)
        self._endless.update(circle)

    def _body(self, name: str, path: str, task: Task) -> model.Block:
        entry = self._entries[name]
        assert isinstance(entry.value, MapNode), "the structure was checked"
        self._open.append(name)
        self.count()
        self._parts += self._size(name)
        with self.level():
            step = task(entry, entry.value, path)
        self._open.pop()
        return model.Block(steps=(step,), value_of=name, span=entry.value.span)

    def _size(self, name: str) -> int:
        """Values of a function, long texts as several."""
        if name not in self._sizes:
            found = descendants(self._entries[name].value)
            self._sizes[name] = sum(1 + len(getattr(each, "text", "")) // 100 for each in found)
        return self._sizes[name]

    def _nothing(self, name: str, path: str) -> model.Block:
        """In place of a function that cannot be put in."""
        entry = self._entries[name]
        step = model.NameValue(
            value=NOTHING, path=path, span=entry.value.span, name=name, name_span=entry.key.span
        )
        return model.Block(steps=(step,), value_of=name, span=entry.value.span)
