"""A document of kind ``test`` whose structure is right becomes ``Cases``."""

from __future__ import annotations

from perdure.dsl import cases
from perdure.dsl.decode_keys import child, entries, items, scalar
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.forms import Forms, plain
from perdure.dsl.nodes import Entry, MapNode, Node


def decode_cases(root: MapNode, diagnostics: Collector) -> cases.Cases:
    """The cases of a document that passed ``schema.check_structure``."""
    decoder = _Decoder(diagnostics)
    workflow = scalar(root, "workflow")
    found = tuple(decoder.case(item) for item in items(root.get("cases")))
    _check_names(found, diagnostics)
    return cases.Cases(
        workflow=workflow.text,
        workflow_span=workflow.span,
        cases=found,
        span=root.span,
        file=diagnostics.file,
    )


def _check_names(found: tuple[cases.Case, ...], diagnostics: Collector) -> None:
    first: dict[str, cases.Case] = {}
    for case in found:
        before = first.setdefault(case.name, case)
        if before is not case:
            related = [Related(span=before.name_span, message="first here")]
            message = f"the case {quote(case.name)} stands twice"
            diagnostics.add("PD212", message, case.name_span, related=related)


class _Decoder:
    def __init__(self, diagnostics: Collector) -> None:
        self._forms = Forms(diagnostics)

    def case(self, node: Node) -> cases.Case:
        assert isinstance(node, MapNode), "the structure was checked"
        name, given = scalar(node, "name"), node.get("input")
        return cases.Case(
            name=name.text,
            input=None if given is None else self._forms.constant(given),
            mocks=tuple(self._mock(entry) for entry in entries(node.get("activities"))),
            timeline=tuple(self._moment(item) for item in items(node.get("timeline"))),
            expect=self._expectation(child(node, "expect")),
            span=node.span,
            name_span=name.span,
        )

    def _constant(self, node: MapNode, key: str) -> cases.Constant | None:
        found = node.get(key)
        return None if found is None else cases.Constant(value=self._forms.constant(found), span=found.span)

    def _mock(self, entry: Entry) -> cases.Mock:
        node = entry.value
        assert isinstance(node, MapNode), "the structure was checked"
        message, hint = "", "write 'returns', or 'fails' and what it returns then under 'then_returns'"
        if "returns" in node and ("fails" in node or "then_returns" in node):
            other = "fails" if "fails" in node else "then_returns"
            message = f"the mock of {quote(entry.name)} has both 'returns' and {quote(other)}"
        elif "then_returns" in node and "fails" not in node:
            message = f"the mock of {quote(entry.name)} has 'then_returns' without 'fails'"
        elif not node.entries:
            message = f"the mock of {quote(entry.name)} does nothing"
        if message:
            self._forms.error("PD237", message, entry.key.span, hint)
        return cases.Mock(
            activity=entry.name,
            fails=tuple(str(plain(item)) for item in items(node.get("fails"))),
            result=self._constant(node, "returns") or self._constant(node, "then_returns"),
            span=entry.key.span,
        )

    def _moment(self, node: Node) -> cases.Moment:
        assert isinstance(node, MapNode), "the structure was checked"
        if "advance" in node:
            duration = self._forms.constant_duration(child(node, "advance"))
            return cases.Advance(duration=duration, span=node.span)
        if "crash_after" in node:
            return cases.CrashAfter(events=plain(child(node, "crash_after")), span=node.span)
        event = child(node, "raise_event")
        assert isinstance(event, MapNode), "the structure was checked"
        payload = event.get("payload")
        return cases.RaiseEvent(
            event=scalar(event, "name").text,
            payload=None if payload is None else self._forms.constant(payload),
            span=node.span,
        )

    def _expectation(self, node: Node) -> cases.Expectation:
        assert isinstance(node, MapNode), "the structure was checked"
        bound = node.get("history_events")
        most = bound.get("max") if isinstance(bound, MapNode) else None
        return cases.Expectation(
            status=scalar(node, "status").text if "status" in node else None,
            output=self._constant(node, "output"),
            error=self._constant(node, "error"),
            called=tuple((entry.name, plain(entry.value)) for entry in entries(node.get("called"))),
            history=scalar(node, "history").text if "history" in node else None,
            history_events=None if most is None else plain(most),
            span=node.span,
        )
