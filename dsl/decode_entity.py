"""A document of kind ``entity`` whose structure is right becomes an ``Entity``."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.decode_keys import Keys, child, entries, items, scalar, schema_below
from perdure.dsl.diagnostics import Collector
from perdure.dsl.expr.ast import Value
from perdure.dsl.forms import Forms, plain
from perdure.dsl.nodes import Entry, MapNode, Node
from perdure.dsl.schema_files import Read
from perdure.dsl.source import Span


def decode_entity(root: MapNode, diagnostics: Collector, files: Read | None = None) -> model.Entity:
    """The entity of a document that passed ``schema.check_structure``."""
    forms = Forms(diagnostics, files, root)
    decoder = _Decoder(forms)
    name, state = scalar(root, "name"), root.get("state")
    assert isinstance(state, MapNode), "the structure was checked"
    schema = schema_below(state, forms)
    return model.Entity(
        name=name.text,
        version=scalar(root, "version").text,
        summary=scalar(root, "summary").text if "summary" in root else None,
        state_schema=schema,
        initial=forms.initial(child(state, "initial"), schema),
        operations=tuple(decoder.operation(entry) for entry in entries(root.get("operations"))),
        span=root.span,
        name_span=name.span,
        file=diagnostics.file,
    )


class _Decoder:
    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._keys = Keys(forms, {})

    def operation(self, entry: Entry) -> model.Operation:
        """One operation."""
        node = entry.value
        assert isinstance(node, MapNode), "the structure was checked"
        given, changes = node.get("input"), node.get("set")
        return model.Operation(
            name=entry.name,
            readonly=_is_true(node, "readonly"),
            input_schema=None if given is None else self._forms.json_schema(given),
            let=tuple(self._local(each) for each in entries(node.get("let"))),
            require=tuple(self._guard(item) for item in items(node.get("require"))),
            set=None if changes is None else self._changes(changes),
            set_spans=tuple(each.key.span for each in entries(changes)),
            returns=self._keys.value(node, "return"),
            signals=tuple(self._signal(item) for item in items(node.get("signal"))),
            launches=tuple(self._launch(item) for item in items(node.get("start_workflow"))),
            delete=_is_true(node, "delete"),
            span=Span(entry.key.span.start, max(node.span.end, entry.key.span.end)),
        )

    def _local(self, entry: Entry) -> model.Local:
        return model.Local(name=entry.name, value=self._forms.value(entry.value), span=entry.key.span)

    def _guard(self, node: Node) -> model.Guard:
        assert isinstance(node, MapNode), "the structure was checked"
        return model.Guard(
            check=self._forms.expression(child(node, "check")),
            error=scalar(node, "error").text,
            error_span=scalar(node, "error").span,
            message=self._keys.value(node, "message"),
            span=node.span,
        )

    def _changes(self, node: Node) -> tuple[tuple[str, Value], ...] | Value:
        """A mapping sets keys of the state; anything else is the new state."""
        if not isinstance(node, MapNode):
            return self._forms.value(node)
        return tuple((self._forms.key(entry), self._forms.value(entry.value)) for entry in node.entries)

    def _signal(self, node: Node) -> model.Signal:
        assert isinstance(node, MapNode), "the structure was checked"
        operation = scalar(node, "op")
        return model.Signal(
            guard=self._keys.condition(node, "if"),
            entity=self._forms.entity(child(node, "entity")),
            operation=operation.text,
            operation_span=operation.span,
            arguments=self._keys.value(node, "with"),
            span=node.span,
        )

    def _launch(self, node: Node) -> model.Launch:
        assert isinstance(node, MapNode), "the structure was checked"
        workflow = scalar(node, "workflow")
        return model.Launch(
            guard=self._keys.condition(node, "if"),
            workflow=workflow.text,
            workflow_span=workflow.span,
            arguments=self._keys.value(node, "with"),
            span=node.span,
        )


def _is_true(node: MapNode, key: str) -> bool:
    found = node.get(key)
    return found is not None and plain(found) is True
