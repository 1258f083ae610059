"""What the decoders of all kinds of steps share: the keys that many kinds have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from perdure.dsl import model
from perdure.dsl.expr.ast import Value
from perdure.dsl.forms import Forms, plain
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from perdure.dsl.retries import decode_retry_reference
from perdure.dsl.source import Span

DEFAULT_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The header's ``defaults``."""

    call_timeout: model.Duration | None = None
    call_retry: model.Retry | None = None
    queue: str | None = None
    width: model.Count = DEFAULT_WIDTH
    chunk: model.Chunk = "auto"


class Common(TypedDict):
    """The arguments that every step takes."""

    path: str
    span: Span
    name: str | None
    name_span: Span | None
    guard: Value | None
    output: Value | None
    summary: str | None
    tags: tuple[tuple[str, str], ...]


class Bounds(TypedDict):
    """The arguments of a step with bounds."""

    timeout: model.Duration | None
    deadline: model.Duration | None
    retry: model.Retry | None


def unnamed(path: str, span: Span) -> Common:
    """What a statement has of these."""
    return Common(
        path=path, span=span, name=None, name_span=None, guard=None, output=None, summary=None, tags=()
    )


def child(node: MapNode, key: str) -> Node:
    """What stands under a key that the structure requires."""
    found = node.get(key)
    assert found is not None, f"'{key}' is required"
    return found


def entries(node: Node | None) -> tuple[Entry, ...]:
    """The entries of a mapping that may be left out."""
    return node.entries if isinstance(node, MapNode) else ()


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list that may be left out."""
    return node.items if isinstance(node, ListNode) else ()


def scalar(node: MapNode, key: str) -> ScalarNode:
    """What stands under a key that the structure requires to be a scalar."""
    found = child(node, key)
    assert isinstance(found, ScalarNode), "the structure was checked"
    return found


def schema_below(node: Node | None, forms: Forms) -> model.Json | None:
    """The JSON Schema under the key ``schema`` of a mapping that may be left out."""
    found = node.get("schema") if isinstance(node, MapNode) else None
    return None if found is None else forms.json_schema(found)


def span_of(node: MapNode, key: str) -> Span | None:
    """Where the value of a key stands."""
    found = node.get(key)
    return None if found is None else found.span


def is_declaration(node: Node) -> bool:
    """Whether a variable is written as {schema, initial}; any other mapping is the initial value itself."""
    names = {entry.name for entry in entries(node)}
    return bool(names) and names <= {"schema", "initial"}


class Keys:
    """Reads single keys of a mapping; each gives None when the key is not there."""

    def __init__(self, forms: Forms, policies: Mapping[str, model.Retry]) -> None:
        self.forms = forms
        self.policies = policies

    def text(self, node: MapNode, key: str) -> str | None:
        """A text without expressions, taken as it is."""
        found = node.get(key)
        return None if found is None else str(plain(found))

    def condition(self, node: MapNode, key: str) -> Value | None:
        """One whole ``${ }``."""
        found = node.get(key)
        return None if found is None else self.forms.expression(found)

    def value(self, node: MapNode, key: str) -> Value | None:
        """Any value."""
        found = node.get(key)
        return None if found is None else self.forms.value(found)

    def duration(self, node: MapNode, key: str) -> model.Duration | None:
        """A duration."""
        found = node.get(key)
        return None if found is None else self.forms.duration(found)

    def count(self, node: MapNode, key: str) -> model.Count | None:
        """A whole number of at least 1."""
        found = node.get(key)
        return None if found is None else self.forms.count(found, key)

    def retry(self, node: MapNode) -> model.Retry | None:
        """The policy that ``retry`` names or is."""
        found = node.get("retry")
        return None if found is None else decode_retry_reference(found, self.policies, self.forms)

    def bounds(self, node: MapNode) -> Bounds:
        """``timeout``, ``deadline`` and ``retry``."""
        return Bounds(
            timeout=self.duration(node, "timeout"),
            deadline=self.duration(node, "deadline"),
            retry=self.retry(node),
        )

    def key_limit(self, node: MapNode) -> model.KeyLimit | None:
        """``concurrency``."""
        found = node.get("concurrency")
        if not isinstance(found, MapNode):
            return None
        return model.KeyLimit(
            key=self.forms.value(child(found, "key")),
            limit=self.forms.count(child(found, "limit"), "limit"),
            span=found.span,
        )

    def labels(self, node: MapNode) -> tuple[tuple[str, str], ...]:
        """``tags`` of a step: constants."""
        found = node.get("tags")
        if not isinstance(found, MapNode):
            return ()
        for entry in found.entries:
            if isinstance(entry.value, ScalarNode) and "${" in entry.value.text.replace("$${", ""):
                hint = "the tags of the workflow's header and of started workflows may hold expressions"
                self.forms.error("PD310", "the tags of a step are constants", entry.value.span, hint)
        return tuple((entry.name, str(plain(entry.value))) for entry in found.entries)

    def tags(self, node: MapNode) -> tuple[tuple[str, Value], ...]:
        """``tags`` of an instance, which may hold expressions."""
        found = node.get("tags")
        if not isinstance(found, MapNode):
            return ()
        return tuple((entry.name, self.forms.value(entry.value)) for entry in found.entries)
