"""A document whose structure is right becomes a ``Workflow``: forms are read and defaults put in.

Paths. The top block is ``do``. A named step is ``<block>/<index>/<name>``, a statement ``<block>/<index>``,
the index counting the items of the block from 0. The blocks of a step or statement at ``P`` are::

    P/do                do, fan_out, for_each, while, until, lock_entities
    P/saga              saga
    P/try, P/finally    try, and P/catch/<clause> for its clauses
    P/switch/<case>     switch, and P/else
    P/then, P/else      if
    P/parallel/<branch>, P/race/<branch>
    P/on_timeout        wait_for_event

``decode_functions`` and ``decode_calls`` say what functions and compensations add. A path looks
as in ``do/3/settled/do/0/reconcile``. Paths are unique in a document: what follows an index is the name of
a step, and then the key of a block, or for a statement the key of a block, and then an index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perdure.dsl.decode_keys import Defaults, Keys, entries, is_declaration, items, scalar, schema_below
from perdure.dsl.decode_steps import StepDecoder
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.forms import Forms, plain
from perdure.dsl.model import (
    ErrorDeclaration,
    EventDeclaration,
    Limits,
    Query,
    Retention,
    Retry,
    Schedule,
    Variable,
    Workflow,
)
from perdure.dsl.nodes import Entry, MapNode, Node
from perdure.dsl.retries import decode_retry, decode_retry_reference
from perdure.dsl.schema_files import Read


def decode(root: MapNode, diagnostics: Collector, files: Read | None = None) -> Workflow:
    """The workflow of a document that passed ``schema.check_structure``.

    What cannot be read is reported and replaced by something harmless: the result is only good when no
    error was reported.
    """
    return _Decoder(diagnostics, files, root).workflow(root)


class _Decoder:
    def __init__(self, diagnostics: Collector, files: Read | None, root: Node) -> None:
        self._file = diagnostics.file
        self._forms = Forms(diagnostics, files, root)

    def workflow(self, root: MapNode) -> Workflow:
        """The whole document."""
        name, do = scalar(root, "name"), root.get("do")
        assert do is not None, "'do' is required"
        policies = {
            entry.name: decode_retry(entry.value, self._forms, policy=entry.name)
            for entry in entries(root.get("retries"))
        }
        keys = Keys(self._forms, policies)
        declared = {entry.name: entry for entry in entries(root.get("functions"))}
        steps = StepDecoder(keys, self._defaults(root.get("defaults"), policies), declared)
        timeout, functions = root.get("timeout"), steps.functions()
        return Workflow(
            name=name.text,
            version=scalar(root, "version").text,
            summary=scalar(root, "summary").text if "summary" in root else None,
            tags=keys.tags(root),
            input_schema=schema_below(root.get("input"), self._forms),
            output_schema=schema_below(root.get("output"), self._forms),
            variables=tuple(self._variable(entry) for entry in entries(root.get("vars"))),
            events=tuple(self._event(entry) for entry in entries(root.get("events"))),
            errors=tuple(self._error(entry) for entry in entries(root.get("errors"))),
            body=steps.block(do, "do"),
            span=root.span,
            name_span=name.span,
            functions=functions,
            queries=tuple(self._query(entry) for entry in entries(root.get("queries"))),
            concurrency=keys.key_limit(root),
            timeout=None if timeout is None else self._forms.constant_duration(timeout),
            limits=self._limits(root.get("limits")),
            retention=self._retention(root.get("retention")),
            schedule=tuple(self._schedule(item) for item in items(root.get("schedule"))),
            retries=tuple(policies.values()),
            key_spans=tuple((entry.name, entry.key.span) for entry in root.entries),
            file=self._file,
        )

    def _defaults(self, node: Node | None, policies: Mapping[str, Retry]) -> Defaults:
        defaults = Defaults()
        for entry in entries(node):
            for key in entries(entry.value):
                defaults = replace(defaults, **self._default(f"{entry.name}.{key.name}", key.value, policies))
        return defaults

    def _default(self, key: str, node: Node, policies: Mapping[str, Retry]) -> dict[str, Any]:
        match key:
            case "call.timeout":
                return {"call_timeout": self._forms.duration(node)}
            case "call.retry":
                return {"call_retry": decode_retry_reference(node, policies, self._forms)}
            case "call.queue":
                return {"queue": str(plain(node))}
            case "fan_out.width":
                return {"width": self._forms.count(node, "width")}
            case _:
                assert key == "fan_out.chunk", "the structure was checked"
                return {"chunk": plain(node)}

    def _variable(self, entry: Entry) -> Variable:
        node, schema = entry.value, None
        initial: Node | None = entry.value
        if isinstance(node, MapNode) and is_declaration(node):
            schema, initial = schema_below(node, self._forms), node.get("initial")
            if initial is None:
                message = f"the variable {quote(entry.name)} needs 'initial'"
                self._forms.error("PD202", message, entry.key.span)
        value = None if initial is None else self._forms.initial(initial, schema)
        return Variable(name=entry.name, initial=value, schema=schema, span=entry.key.span)

    def _event(self, entry: Entry) -> EventDeclaration:
        return EventDeclaration(
            name=entry.name, schema=schema_below(entry.value, self._forms), span=entry.key.span
        )

    def _error(self, entry: Entry) -> ErrorDeclaration:
        assert isinstance(entry.value, MapNode), "the structure was checked"
        status, retryable = entry.value.get("status"), entry.value.get("retryable")
        return ErrorDeclaration(
            name=entry.name,
            status=None if status is None else plain(status),
            retryable=retryable is None or plain(retryable) is True,
            schema=schema_below(entry.value, self._forms),
            span=entry.key.span,
        )

    def _query(self, entry: Entry) -> Query:
        return Query(name=entry.name, value=self._forms.value(entry.value), span=entry.key.span)

    def _limits(self, node: Node | None) -> Limits | None:
        if not isinstance(node, MapNode):
            return None
        events, exceeded = node.get("history_events"), node.get("on_exceed")
        return Limits(
            history_events=None if events is None else plain(events),
            on_exceed="suspend" if exceeded is None else plain(exceeded),
        )

    def _retention(self, node: Node | None) -> Retention | None:
        if not isinstance(node, MapNode):
            return None
        generations = node.get("generations")
        return Retention(
            completed=self._constant_duration(node, "completed"),
            failed=self._constant_duration(node, "failed"),
            generations=1 if generations is None else plain(generations),
        )

    def _schedule(self, node: Node) -> Schedule:
        assert isinstance(node, MapNode), "the structure was checked"
        zone, overlap, given = node.get("timezone"), node.get("overlap"), node.get("input")
        cron = scalar(node, "cron")
        return Schedule(
            cron=cron.text,
            timezone="UTC" if zone is None else str(plain(zone)),
            overlap="skip" if overlap is None else plain(overlap),
            catch_up=self._constant_duration(node, "catch_up"),
            input=None if given is None else self._forms.value(given),
            span=node.span,
            cron_span=cron.span,
            timezone_span=None if zone is None else zone.span,
        )

    def _constant_duration(self, node: MapNode, key: str) -> int | None:
        found = node.get(key)
        return None if found is None else self._forms.constant_duration(found)
