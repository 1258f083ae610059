"""PD817: JSON Schemas that do not say what they seem to; unknown keywords count for nothing there."""

from __future__ import annotations

from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode
from perdure.dsl.suggest import suggest

_ONE = frozenset(
    """additionalItems additionalProperties contains contentSchema else if items not propertyNames then
    unevaluatedItems unevaluatedProperties""".split()
)
"""Keywords with a schema, or a list of them."""
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_NAMED = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords with schemas under names that the author chooses."""
_PLAIN = frozenset(
    """$anchor $comment $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef $ref $schema $vocabulary
    const contentEncoding contentMediaType default dependentRequired deprecated description enum examples
    exclusiveMaximum exclusiveMinimum format maxContains maxItems maxLength maxProperties maximum minContains
    minItems minLength minProperties minimum multipleOf pattern readOnly required title type uniqueItems
    writeOnly""".split()
)
KEYWORDS = _ONE | _LISTS | _NAMED | _PLAIN
"""The keywords of 2020-12 and of draft-07."""
_ELSEWHERE = frozenset({"example", "nullable", "discriminator", "externalDocs", "xml"})
"""Keywords of OpenAPI, which are no mistakes."""
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SHORT = 3
"""Names up to this length are like too many others to be guessed from."""


def check_words(node: Node, diagnostics: Collector) -> None:
    """Notes what a schema that is right as JSON Schema hardly means."""
    waiting, seen = [node], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not isinstance(part, MapNode):
            continue
        seen.add(id(part))
        if not _is_map_of_types(part, diagnostics):
            _misspelt(part, diagnostics)
        _required(part, diagnostics)
        waiting.extend(_schemas(part))


def _schemas(node: MapNode) -> list[Node]:
    found: list[Node] = []
    for entry in node.entries:
        value = entry.value
        if entry.name in _NAMED and isinstance(value, MapNode):
            found += (each.value for each in value.entries)
        elif entry.name in _ONE | _LISTS:
            found += value.items if isinstance(value, ListNode) else [value]
    return found


def _meant(name: str) -> str | None:
    """The keyword that a name probably should have been."""
    if name in KEYWORDS | _ELSEWHERE or name.startswith(("x-", "$")) or len(name) <= _SHORT:
        return None
    folded = next((each for each in KEYWORDS if each.lower() == name.lower()), None)
    return folded or suggest(name, sorted(KEYWORDS))


def _is_map_of_types(node: MapNode, diagnostics: Collector) -> bool:
    """Whether the names of properties stand where keywords belong, which is noted."""
    names = [entry.name for entry in node.entries]
    if not names or any(
        each in KEYWORDS | _ELSEWHERE or each.startswith(("x-", "$")) or _meant(each) for each in names
    ):
        return False
    first = node.entries[0]
    inner = "…"
    if isinstance(first.value, ScalarNode):
        inner = f"type: {first.value.text if first.value.text in _TYPES else 'string'}"
    message = f"{quote(first.name)} is no keyword of JSON Schema: this schema allows anything"
    hint = f"write properties: {{ {first.name}: {{ {inner} }} }}"
    diagnostics.add("PD817", message, first.key.span, hint=hint)
    return True


def _misspelt(node: MapNode, diagnostics: Collector) -> None:
    for entry in node.entries:
        near = _meant(entry.name)
        if near is not None and near not in node:
            message = (
                f"{quote(entry.name)} is no keyword of JSON Schema and says nothing; "
                f"did you mean {quote(near)}?"
            )
            diagnostics.add("PD817", message, entry.key.span)


def _required(node: MapNode, diagnostics: Collector) -> None:
    """Notes required properties that a closed object does not have: nothing fits it."""
    properties, required = node.get("properties"), node.get("required")
    more = node.get("additionalProperties")
    closed = isinstance(more, ScalarNode) and more.value is False and "patternProperties" not in node
    if not (closed and isinstance(properties, MapNode) and isinstance(required, ListNode)):
        return
    for each in required.items:
        if isinstance(each, ScalarNode) and each.text not in properties:
            near = suggest(each.text, [entry.name for entry in properties.entries])
            message = f"{quote(each.text)} is required, and not among 'properties': nothing fits this schema"
            hint = f"did you mean {quote(near)}?" if near else "add it to 'properties'"
            diagnostics.add("PD817", message, each.span, hint=hint)
