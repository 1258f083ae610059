"""Items of blocks become steps of the model. ``decode`` says how paths are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from perdure.dsl import model
from perdure.dsl.decode_calls import CallDecoder
from perdure.dsl.decode_functions import Functions
from perdure.dsl.decode_keys import Common, Defaults, Keys, child, span_of, unnamed
from perdure.dsl.expr.ast import Const, MapValue, Value
from perdure.dsl.forms import plain
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from perdure.dsl.retries import error_names, item_spans
from perdure.dsl.schema import kinds
from perdure.dsl.source import Span

DEFAULT_ITEM = "item"
DEFAULT_INDEX = "index"


class StepDecoder:
    """Decodes the blocks of one document."""

    def __init__(self, keys: Keys, defaults: Defaults, functions: Mapping[str, Entry]) -> None:
        self._forms = keys.forms
        self._keys = keys
        self._defaults = defaults
        self._functions = Functions(functions, self._keys)
        self._calls = CallDecoder(self._keys, defaults, self._functions)
        self._tasks: dict[str, Callable[[MapNode, Common], model.Step]] = {
            "call": self._call,
            "call_workflow": self._calls.call_workflow,
            "start_workflow": self._calls.start_workflow,
            "call_entity": self._calls.call_entity,
            "saga": self._saga,
            "lock_entities": self._lock_entities,
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
        self._statements: dict[str, Callable[[Node, MapNode, Common], model.Step]] = {
            "send_event": self._calls.send_event,
            "signal_entity": self._calls.signal_entity,
            "cancel": self._calls.cancel,
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
        with self._functions.level():
            steps = tuple(self._item(item, f"{path}/{index}") for index, item in enumerate(node.items))
        return model.Block(steps=steps, value_of=_value_of(steps), span=node.span)

    def functions(self) -> tuple[model.Function, ...]:
        """The functions as they are declared."""
        return self._functions.declared(self._task)

    def _optional_block(self, node: Node | None, path: str) -> model.Block | None:
        return None if node is None else self.block(node, path)

    def _item(self, node: Node, path: str) -> model.Step:
        self._functions.count()
        if isinstance(node, ScalarNode):
            common = unnamed(path, node.span)
            return model.Break(**common) if node.text == "break" else model.Continue(**common)
        assert isinstance(node, MapNode), "the structure was checked"
        first = node.entries[0]
        statement = next((entry for entry in node.entries if entry.name in self._statements), None)
        if statement is not None:
            span = Span(first.key.span.start, node.span.end)
            return self._statements[statement.name](statement.value, node, unnamed(path, span))
        assert isinstance(first.value, MapNode), "the structure was checked"
        return self._task(first, first.value, f"{path}/{first.name}")

    def _task(self, named: Entry, node: MapNode, path: str) -> model.Step:
        found = [kind for kind in kinds("task") if kind in node]
        # 'do' and 'until' are keys of other kinds too; the others never stand together.
        kind = next((kind for kind in found if kind not in ("do", "until")), None)
        kind = kind or ("until" if "until" in found else "do")
        output, summary = node.get("output"), node.get("summary")
        common = Common(
            path=path,
            span=Span(named.key.span.start, max(node.span.end, named.key.span.end)),
            name=named.name,
            name_span=named.key.span,
            guard=self._keys.condition(node, "if"),
            output=None if output is None else self._forms.value(output),
            summary=None if summary is None else str(plain(summary)),
            # Those of a workflow that is started are that instance's.
            tags=() if kind in ("call_workflow", "start_workflow") else self._keys.labels(node),
        )
        return self._tasks[kind](node, common)

    def _body(self, node: MapNode, common: Common) -> model.Block:
        return self.block(child(node, "do"), f"{common['path']}/do")

    # Tasks ------------------------------------------------------------------------------------

    def _call(self, node: MapNode, common: Common) -> model.Step:
        if plain(child(node, "call")) in self._functions:
            return self._functions.use(node, common, self._task)
        return self._calls.call(node, common)

    def _value(self, node: MapNode, common: Common) -> model.Step:
        return model.NameValue(value=self._forms.value(child(node, "value")), **common)

    def _wait(self, node: MapNode, common: Common) -> model.Step:
        found = child(node, "wait")
        if isinstance(found, MapNode):
            return model.Wait(until=self._forms.time(child(found, "until")), **common)
        return model.Wait(duration=self._forms.duration(found), **common)

    def _wait_for_event(self, node: MapNode, common: Common) -> model.Step:
        event, timeout = child(node, "wait_for_event"), node.get("timeout")
        return model.WaitForEvent(
            event=str(plain(event)),
            event_span=event.span,
            timeout=None if timeout is None else self._forms.timeout_or_never(timeout),
            on_timeout=self._optional_block(node.get("on_timeout"), f"{common['path']}/on_timeout"),
            count=self._keys.count(node, "count"),
            until=self._keys.condition(node, "until"),
            correlate=self._keys.condition(node, "correlate"),
            **common,
        )

    def _do(self, node: MapNode, common: Common) -> model.Step:
        return model.Do(body=self._body(node, common), **self._keys.bounds(node), **common)

    def _saga(self, node: MapNode, common: Common) -> model.Step:
        undo = node.get("compensation")
        undo = undo if isinstance(undo, MapNode) else None
        return model.Saga(
            body=self.block(child(node, "saga"), f"{common['path']}/saga"),
            on_failure=cast("Any", self._keys.text(undo, "on_failure") if undo else None) or "continue",
            retry=self._keys.retry(undo) if undo else None,
            timeout=self._keys.duration(node, "timeout"),
            **common,
        )

    def _lock_entities(self, node: MapNode, common: Common) -> model.Step:
        entities = child(node, "lock_entities")
        return model.LockEntities(
            entities=self._forms.entities(entities),
            entities_span=entities.span,
            body=self._body(node, common),
            timeout=self._keys.duration(node, "timeout"),
            **common,
        )

    def _switch(self, node: MapNode, common: Common) -> model.Step:
        cases = child(node, "switch")
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
        when = self._forms.expression(child(node, "when"))
        return model.Case(when=when, body=self.block(child(node, "do"), path), span=node.span)

    def _try(self, node: MapNode, common: Common) -> model.Step:
        path, clauses = common["path"], node.get("catch")
        catches = clauses.items if isinstance(clauses, ListNode) else ()
        return model.Try(
            body=self.block(child(node, "try"), f"{path}/try"),
            catches=tuple(self._catch(clause, f"{path}/catch/{i}") for i, clause in enumerate(catches)),
            finally_=self._optional_block(node.get("finally"), f"{path}/finally"),
            **self._keys.bounds(node),
            **common,
        )

    def _catch(self, node: Node, path: str) -> model.Catch:
        assert isinstance(node, MapNode), "the structure was checked"
        return model.Catch(
            errors=error_names(node.get("errors"), ("*",)),
            error_spans=item_spans(node.get("errors")),
            when=self._keys.condition(node, "when"),
            body=self.block(child(node, "do"), path),
            span=node.span,
        )

    def _fan_out(self, node: MapNode, common: Common) -> model.Step:
        width = self._keys.count(node, "width")
        return model.FanOut(
            items=self._forms.items(child(node, "fan_out"), "fan_out"),
            each=_name(node, "each", DEFAULT_ITEM),
            each_span=_span_of(node, "each"),
            at=_name(node, "at", DEFAULT_INDEX),
            at_span=_span_of(node, "at"),
            key=self._keys.value(node, "key"),
            width=self._defaults.width if width is None else width,
            on_failure=self._failure_policy(node.get("on_failure")),
            until=self._keys.condition(node, "until"),
            keep=cast("Any", self._keys.text(node, "keep") or "results"),
            body=self._body(node, common),
            timeout=self._keys.duration(node, "timeout"),
            chunk=self._defaults.chunk if "chunk" not in node else cast("Any", plain(child(node, "chunk"))),
            **common,
        )

    def _failure_policy(self, node: Node | None) -> Any:
        if node is None:
            return "fail_fast"
        if isinstance(node, ScalarNode):
            return node.text
        assert isinstance(node, MapNode), "the structure was checked"
        found = child(node, "tolerate")
        if isinstance(plain(found), int):
            return model.Tolerate(count=plain(found))
        percent = float(str(plain(found)).removesuffix("%"))
        if percent > 100:
            self._forms.error("PD405", "'tolerate' must be at most 100%", found.span)
        return model.Tolerate(share=percent / 100)

    def _branches(self, node: MapNode, kind: str, common: Common) -> tuple[model.Branch, ...]:
        found = child(node, kind)
        assert isinstance(found, MapNode), "the structure was checked"
        return tuple(
            model.Branch(
                name=entry.name,
                body=self.block(entry.value, f"{common['path']}/{kind}/{entry.name}"),
                span=entry.key.span,
            )
            for entry in found.entries
        )

    def _parallel(self, node: MapNode, common: Common) -> model.Step:
        return model.Parallel(
            branches=self._branches(node, "parallel", common),
            on_failure=self._failure_policy(node.get("on_failure")),
            timeout=self._keys.duration(node, "timeout"),
            **common,
        )

    def _race(self, node: MapNode, common: Common) -> model.Step:
        branches = self._branches(node, "race", common)
        return model.Race(branches=branches, timeout=self._keys.duration(node, "timeout"), **common)

    def _for_each(self, node: MapNode, common: Common) -> model.Step:
        return model.ForEach(
            items=self._forms.items(child(node, "for_each"), "for_each"),
            each=_name(node, "each", DEFAULT_ITEM),
            each_span=_span_of(node, "each"),
            at=_name(node, "at", DEFAULT_INDEX),
            at_span=_span_of(node, "at"),
            limit=self._keys.count(node, "limit"),
            body=self._body(node, common),
            timeout=self._keys.duration(node, "timeout"),
            **common,
        )

    def _loop(self, node: MapNode, common: Common) -> model.Step:
        limit, every = self._keys.count(node, "limit"), node.get("checkpoint_every")
        return model.Loop(
            kind="while" if "while" in node else "until",
            condition=self._forms.expression(child(node, "while" if "while" in node else "until")),
            limit=1 if limit is None else limit,
            at=_name(node, "at", DEFAULT_INDEX),
            at_span=_span_of(node, "at"),
            body=self._body(node, common),
            timeout=self._keys.duration(node, "timeout"),
            checkpoint_every=None if every is None else int(plain(every)),
            **common,
        )

    # Statements -------------------------------------------------------------------------------

    def _if(self, condition: Node, node: MapNode, common: Common) -> model.Step:
        return model.If(
            condition=self._forms.expression(condition),
            then=self.block(child(node, "then"), f"{common['path']}/then"),
            otherwise=self._optional_block(node.get("else"), f"{common['path']}/else"),
            **common,
        )

    def _return(self, value: Node, _: MapNode, common: Common) -> model.Step:
        return model.Return(value=self._forms.value(value), **common)

    def _set(self, values: Node, _: MapNode, common: Common) -> model.Step:
        assert isinstance(values, MapNode), "the structure was checked"
        pairs = tuple((entry.name, self._forms.value(entry.value)) for entry in values.entries)
        spans = tuple(entry.key.span for entry in values.entries)
        return model.Set(values=pairs, name_spans=spans, **common)

    def _raise(self, error: Node, _: MapNode, common: Common) -> model.Step:
        if not isinstance(error, MapNode):
            return model.Raise(error=self._forms.expression(error), **common)
        return model.Raise(
            error=str(plain(child(error, "error"))),
            error_span=span_of(error, "error"),
            message=self._keys.value(error, "message"),
            data=self._keys.value(error, "data"),
            cause=self._keys.condition(error, "cause"),
            **common,
        )

    def _output(self, value: Node, _: MapNode, common: Common) -> model.Step:
        return model.Output(value=self._forms.value(value), **common)

    def _log(self, entry: Node, _: MapNode, common: Common) -> model.Step:
        assert isinstance(entry, MapNode), "the structure was checked"
        fields = entry.get("fields")
        return model.Log(
            level=cast("Any", self._keys.text(entry, "level") or "info"),
            message=self._forms.value(child(entry, "message")),
            fields=None if fields is None else self._fields(fields),
            **common,
        )

    def _fields(self, node: Node) -> Value:
        found = self._forms.value(node)
        if not isinstance(node, MapNode):
            self._forms.error("PD203", "'fields' must be a mapping", node.span)
        return found if isinstance(found, MapValue | Const) else Const({})

    def _set_custom_status(self, value: Node, _: MapNode, common: Common) -> model.Step:
        return model.SetCustomStatus(value=self._forms.value(value), **common)

    def _continue_as_new(self, node: Node, _: MapNode, common: Common) -> model.Step:
        assert isinstance(node, MapNode), "the structure was checked"
        events = node.get("events")
        return model.ContinueAsNew(
            input=self._forms.value(child(node, "input")),
            carry_events=events is None or plain(events) == "carry",
            version=self._keys.text(node, "version") or "latest",
            version_span=span_of(node, "version"),
            **common,
        )

    def _break(self, _: Node, __: MapNode, common: Common) -> model.Step:
        return model.Break(**common)

    def _continue(self, _: Node, __: MapNode, common: Common) -> model.Step:
        return model.Continue(**common)


def _value_of(steps: tuple[model.Step, ...]) -> str | None:
    """The step whose value is its block's: none before a trailing ``output``, else the only named one."""
    if steps and isinstance(steps[-1], model.Output):
        return None
    names = [step.name for step in steps if step.name is not None]
    return names[0] if len(names) == 1 else None


def _span_of(node: MapNode, key: str) -> Span | None:
    """Where the value of a key stands, if it is there."""
    found = node.get(key)
    return None if found is None else found.span


def _name(node: MapNode, key: str, default: str) -> str:
    found = node.get(key)
    return default if found is None else str(plain(found))
