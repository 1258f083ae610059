"""Items of blocks become steps of the model. ``decode`` says how paths are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from perdure.dsl import model
from perdure.dsl.expr.ast import Const, MapValue, Value
from perdure.dsl.forms import Forms, plain
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from perdure.dsl.retries import decode_retry_reference, error_names
from perdure.dsl.schema import kinds
from perdure.dsl.source import Span

DEFAULT_WIDTH = 100
DEFAULT_ITEM = "item"
DEFAULT_INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The header's ``defaults``."""

    call_timeout: model.Duration | None = None
    call_retry: model.Retry | None = None
    width: model.Count = DEFAULT_WIDTH


class _Common(TypedDict):
    """The arguments that every step takes."""

    path: str
    span: Span
    name: str | None
    name_span: Span | None
    guard: Value | None
    output: Value | None
    summary: str | None
    tags: tuple[tuple[str, str], ...]


class _Bounds(TypedDict):
    """The arguments of a step with bounds."""

    timeout: model.Duration | None
    deadline: model.Duration | None
    retry: model.Retry | None


class StepDecoder:
    """Decodes the blocks of one document."""

    def __init__(self, forms: Forms, policies: Mapping[str, model.Retry], defaults: Defaults) -> None:
        self._forms = forms
        self._policies = policies
        self._defaults = defaults
        self._tasks = {
            "call": self._call,
            "value": self._value,
            "wait": self._wait,
            "wait_for_event": self._wait_for_event,
            "do": self._do,
            "switch": self._switch,
            "try": self._try,
            "fan_out": self._fan_out,
            "parallel": self._parallel,
            "race": self._race,
            "for_each": self._for_each,
            "while": self._loop,
            "until": self._loop,
        }
        self._statements = {
            "if": self._if,
            "return": self._return,
            "set": self._set,
            "raise": self._raise,
            "output": self._output,
            "log": self._log,
            "set_custom_status": self._set_custom_status,
            "continue_as_new": self._continue_as_new,
            "break": self._break,
            "continue": self._continue,
        }

    def kinds(self) -> dict[str, set[str]]:
        """What can be decoded: the kinds of each union of the schema."""
        return {"task": set(self._tasks), "item": set(self._statements)}

    # Blocks -----------------------------------------------------------------------------------

    def block(self, node: Node, path: str) -> model.Block:
        """A list of steps."""
        assert isinstance(node, ListNode), "the structure was checked"
        steps = tuple(self._item(item, f"{path}/{index}") for index, item in enumerate(node.items))
        return model.Block(steps=steps, value_of=_value_of(steps), span=node.span)

    def _optional_block(self, node: Node | None, path: str) -> model.Block | None:
        return None if node is None else self.block(node, path)

    def _item(self, node: Node, path: str) -> model.Step:
        if isinstance(node, ScalarNode):
            common = self._statement_common(node.span, path)
            return model.Break(**common) if node.text == "break" else model.Continue(**common)
        assert isinstance(node, MapNode), "the structure was checked"
        first = node.entries[0]
        statement = next((entry for entry in node.entries if entry.name in self._statements), None)
        if statement is not None:
            span = Span(first.key.span.start, node.span.end)
            return self._statements[statement.name](statement.value, node, self._statement_common(span, path))
        assert isinstance(first.value, MapNode), "the structure was checked"
        return self._task(first, first.value, f"{path}/{first.name}")

    def _task(self, named: Entry, node: MapNode, path: str) -> model.Step:
        found = [kind for kind in kinds("task") if kind in node]
        # 'do' and 'until' are keys of other kinds too; the others never stand together.
        kind = next((kind for kind in found if kind not in ("do", "until")), None)
        kind = kind or ("until" if "until" in found else "do")
        output, summary = node.get("output"), node.get("summary")
        common = _Common(
            path=path,
            span=Span(named.key.span.start, max(node.span.end, named.key.span.end)),
            name=named.name,
            name_span=named.key.span,
            guard=self._condition(node, "if"),
            output=None if output is None else self._forms.value(output),
            summary=None if summary is None else str(plain(summary)),
            tags=self.tags(node),
        )
        return self._tasks[kind](node, common)

    def _statement_common(self, span: Span, path: str) -> _Common:
        return _Common(
            path=path, span=span, name=None, name_span=None, guard=None, output=None, summary=None, tags=()
        )

    def tags(self, node: MapNode) -> tuple[tuple[str, str], ...]:
        """The labels of a step or of the workflow; constants."""
        found = node.get("tags")
        if not isinstance(found, MapNode):
            return ()
        for entry in found.entries:
            if isinstance(entry.value, ScalarNode) and "${" in entry.value.text:
                self._forms.error("PD290", "an expression in 'tags' is not supported yet", entry.value.span)
        return tuple((entry.name, str(plain(entry.value))) for entry in found.entries)

    # Keys -------------------------------------------------------------------------------------

    def _condition(self, node: MapNode, key: str) -> Value | None:
        found = node.get(key)
        return None if found is None else self._forms.expression(found)

    def _needed(self, node: Node) -> Value:
        return self._forms.expression(node)

    def _optional(self, node: MapNode, key: str) -> Value | None:
        found = node.get(key)
        return None if found is None else self._forms.value(found)

    def _duration(self, node: MapNode, key: str) -> model.Duration | None:
        found = node.get(key)
        return None if found is None else self._forms.duration(found)

    def _count(self, node: MapNode, key: str) -> model.Count | None:
        found = node.get(key)
        return None if found is None else self._forms.count(found, key)

    def _bounds(self, node: MapNode) -> _Bounds:
        retry = node.get("retry")
        return _Bounds(
            timeout=self._duration(node, "timeout"),
            deadline=self._duration(node, "deadline"),
            retry=None if retry is None else decode_retry_reference(retry, self._policies, self._forms),
        )

    def _body(self, node: MapNode, common: _Common) -> model.Block:
        return self.block(_child(node, "do"), f"{common['path']}/do")

    # Tasks ------------------------------------------------------------------------------------

    def _call(self, node: MapNode, common: _Common) -> model.Step:
        activity, bounds = _child(node, "call"), self._bounds(node)
        if "timeout" not in node:
            bounds["timeout"] = self._defaults.call_timeout
        if "retry" not in node:
            bounds["retry"] = self._defaults.call_retry
        return model.Call(
            activity=str(plain(activity)),
            activity_span=activity.span,
            arguments=self._optional(node, "with"),
            idempotency_key=self._optional(node, "idempotency_key"),
            **bounds,
            **common,
        )

    def _value(self, node: MapNode, common: _Common) -> model.Step:
        return model.NameValue(value=self._forms.value(_child(node, "value")), **common)

    def _wait(self, node: MapNode, common: _Common) -> model.Step:
        found = _child(node, "wait")
        if isinstance(found, MapNode):
            return model.Wait(until=self._needed(_child(found, "until")), **common)
        return model.Wait(duration=self._forms.duration(found), **common)

    def _wait_for_event(self, node: MapNode, common: _Common) -> model.Step:
        event, timeout = _child(node, "wait_for_event"), node.get("timeout")
        return model.WaitForEvent(
            event=str(plain(event)),
            event_span=event.span,
            timeout=None if timeout is None else self._forms.timeout_or_never(timeout),
            on_timeout=self._optional_block(node.get("on_timeout"), f"{common['path']}/on_timeout"),
            count=self._count(node, "count"),
            until=self._condition(node, "until"),
            **common,
        )

    def _do(self, node: MapNode, common: _Common) -> model.Step:
        return model.Do(body=self._body(node, common), **self._bounds(node), **common)

    def _switch(self, node: MapNode, common: _Common) -> model.Step:
        cases = _child(node, "switch")
        assert isinstance(cases, ListNode), "the structure was checked"
        return model.Switch(
            cases=tuple(
                self._case(case, f"{common['path']}/switch/{index}") for index, case in enumerate(cases.items)
            ),
            otherwise=self._optional_block(node.get("else"), f"{common['path']}/else"),
            **common,
        )

    def _case(self, node: Node, path: str) -> model.Case:
        assert isinstance(node, MapNode), "the structure was checked"
        when = self._needed(_child(node, "when"))
        return model.Case(when=when, body=self.block(_child(node, "do"), path), span=node.span)

    def _try(self, node: MapNode, common: _Common) -> model.Step:
        path, clauses = common["path"], node.get("catch")
        catches = clauses.items if isinstance(clauses, ListNode) else ()
        return model.Try(
            body=self.block(_child(node, "try"), f"{path}/try"),
            catches=tuple(self._catch(clause, f"{path}/catch/{i}") for i, clause in enumerate(catches)),
            finally_=self._optional_block(node.get("finally"), f"{path}/finally"),
            **self._bounds(node),
            **common,
        )

    def _catch(self, node: Node, path: str) -> model.Catch:
        assert isinstance(node, MapNode), "the structure was checked"
        return model.Catch(
            errors=error_names(node.get("errors"), ("*",)),
            when=self._condition(node, "when"),
            body=self.block(_child(node, "do"), path),
            span=node.span,
        )

    def _fan_out(self, node: MapNode, common: _Common) -> model.Step:
        width, keep = self._count(node, "width"), node.get("keep")
        return model.FanOut(
            items=self._forms.items(_child(node, "fan_out"), "fan_out"),
            each=_name(node, "each", DEFAULT_ITEM),
            at=_name(node, "at", DEFAULT_INDEX),
            key=self._optional(node, "key"),
            width=self._defaults.width if width is None else width,
            on_failure=self._failure_policy(node.get("on_failure")),
            until=self._condition(node, "until"),
            keep=cast("Any", "results" if keep is None else plain(keep)),
            body=self._body(node, common),
            timeout=self._duration(node, "timeout"),
            **common,
        )

    def _failure_policy(self, node: Node | None) -> Any:
        if node is None:
            return "fail_fast"
        if isinstance(node, ScalarNode):
            return node.text
        assert isinstance(node, MapNode), "the structure was checked"
        found = _child(node, "tolerate")
        if isinstance(plain(found), int):
            return model.Tolerate(count=plain(found))
        percent = float(str(plain(found)).removesuffix("%"))
        if percent > 100:
            self._forms.error("PD405", "'tolerate' must be at most 100%", found.span)
        return model.Tolerate(share=percent / 100)

    def _branches(self, node: MapNode, kind: str, common: _Common) -> tuple[model.Branch, ...]:
        found = _child(node, kind)
        assert isinstance(found, MapNode), "the structure was checked"
        return tuple(
            model.Branch(
                name=entry.name,
                body=self.block(entry.value, f"{common['path']}/{kind}/{entry.name}"),
                span=entry.key.span,
            )
            for entry in found.entries
        )

    def _parallel(self, node: MapNode, common: _Common) -> model.Step:
        return model.Parallel(
            branches=self._branches(node, "parallel", common),
            on_failure=self._failure_policy(node.get("on_failure")),
            timeout=self._duration(node, "timeout"),
            **common,
        )

    def _race(self, node: MapNode, common: _Common) -> model.Step:
        branches = self._branches(node, "race", common)
        return model.Race(branches=branches, timeout=self._duration(node, "timeout"), **common)

    def _for_each(self, node: MapNode, common: _Common) -> model.Step:
        return model.ForEach(
            items=self._forms.items(_child(node, "for_each"), "for_each"),
            each=_name(node, "each", DEFAULT_ITEM),
            at=_name(node, "at", DEFAULT_INDEX),
            limit=self._count(node, "limit"),
            body=self._body(node, common),
            timeout=self._duration(node, "timeout"),
            **common,
        )

    def _loop(self, node: MapNode, common: _Common) -> model.Step:
        limit = self._count(node, "limit")
        return model.Loop(
            kind="while" if "while" in node else "until",
            condition=self._needed(_child(node, "while" if "while" in node else "until")),
            limit=1 if limit is None else limit,
            at=_name(node, "at", DEFAULT_INDEX),
            body=self._body(node, common),
            timeout=self._duration(node, "timeout"),
            **common,
        )

    # Statements -------------------------------------------------------------------------------

    def _if(self, condition: Node, node: MapNode, common: _Common) -> model.Step:
        return model.If(
            condition=self._needed(condition),
            then=self.block(_child(node, "then"), f"{common['path']}/then"),
            otherwise=self._optional_block(node.get("else"), f"{common['path']}/else"),
            **common,
        )

    def _return(self, value: Node, _: MapNode, common: _Common) -> model.Step:
        return model.Return(value=self._forms.value(value), **common)

    def _set(self, values: Node, _: MapNode, common: _Common) -> model.Step:
        assert isinstance(values, MapNode), "the structure was checked"
        pairs = tuple((entry.name, self._forms.value(entry.value)) for entry in values.entries)
        spans = tuple(entry.key.span for entry in values.entries)
        return model.Set(values=pairs, name_spans=spans, **common)

    def _raise(self, error: Node, _: MapNode, common: _Common) -> model.Step:
        if not isinstance(error, MapNode):
            return model.Raise(error=self._needed(error), **common)
        return model.Raise(
            error=str(plain(_child(error, "error"))),
            message=self._optional(error, "message"),
            data=self._optional(error, "data"),
            cause=self._condition(error, "cause"),
            **common,
        )

    def _output(self, value: Node, _: MapNode, common: _Common) -> model.Step:
        return model.Output(value=self._forms.value(value), **common)

    def _log(self, entry: Node, _: MapNode, common: _Common) -> model.Step:
        assert isinstance(entry, MapNode), "the structure was checked"
        level, fields = entry.get("level"), entry.get("fields")
        return model.Log(
            level=cast("Any", "info" if level is None else plain(level)),
            message=self._forms.value(_child(entry, "message")),
            fields=None if fields is None else self._fields(fields),
            **common,
        )

    def _fields(self, node: Node) -> Value:
        found = self._forms.value(node)
        if not isinstance(node, MapNode):
            self._forms.error("PD203", "'fields' must be a mapping", node.span)
        return found if isinstance(found, MapValue | Const) else Const({})

    def _set_custom_status(self, value: Node, _: MapNode, common: _Common) -> model.Step:
        return model.SetCustomStatus(value=self._forms.value(value), **common)

    def _continue_as_new(self, node: Node, _: MapNode, common: _Common) -> model.Step:
        assert isinstance(node, MapNode), "the structure was checked"
        events = node.get("events")
        return model.ContinueAsNew(
            input=self._forms.value(_child(node, "input")),
            carry_events=events is None or plain(events) == "carry",
            **common,
        )

    def _break(self, _: Node, __: MapNode, common: _Common) -> model.Step:
        return model.Break(**common)

    def _continue(self, _: Node, __: MapNode, common: _Common) -> model.Step:
        return model.Continue(**common)


def _value_of(steps: tuple[model.Step, ...]) -> str | None:
    """The step whose value is its block's: none before a trailing ``output``, else the only named one."""
    if steps and isinstance(steps[-1], model.Output):
        return None
    names = [step.name for step in steps if step.name is not None]
    return names[0] if len(names) == 1 else None


def _child(node: MapNode, key: str) -> Node:
    found = node.get(key)
    assert found is not None, f"'{key}' is required"
    return found


def _name(node: MapNode, key: str, default: str) -> str:
    found = node.get(key)
    return default if found is None else str(plain(found))
