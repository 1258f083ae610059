"""A checked document to instructions: blocks, values and the plain steps.

Each construct has one method; those that repeat, branch or guard are in ``lower_flow``, those that reach
other instances and entities in ``lower_outside``, what undoes them in ``lower_saga``. A step's value goes
into the slot of its name. A block's value is the slot that ``_block`` returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from operator import itemgetter
from typing import Any

from perdure.compiler import ir
from perdure.compiler.constants import without_secrets
from perdure.compiler.emitter import Emitter, Label
from perdure.compiler.scope import Scope
from perdure.dsl import model
from perdure.dsl.expr.ast import Embedded, Value
from perdure.dsl.rules.correlation import equality


class Lowering:
    """The state of one compilation."""

    def __init__(self, workflow: model.Workflow) -> None:
        self._workflow = workflow
        self._emitter = Emitter()
        self._scope = Scope()
        self._steps: list[ir.Step] = []
        self._step = 0
        self._repeats: list[tuple[str, str]] = []
        """Path and key slot of each loop and fan-out around the present step."""
        self._depth = 0
        """How many scopes are open in the present fiber."""
        self._loops: list[tuple[Label, Label, int]] = []
        """Of each loop in the present fiber: where ``continue`` and ``break`` go, and its depth."""

    def code(self) -> tuple[tuple[ir.Op, ...], tuple[ir.Step, ...]]:
        """The instructions of the whole workflow, and their steps."""
        workflow = self._workflow
        self._enter_step(model.Step(path="do", span=workflow.span))
        self._block(workflow.body)
        self._enter_step(model.Step(path="do", span=workflow.span))
        self._emit(ir.End)
        return self._emitter.finish(), tuple(self._steps)

    # -- helpers ----------------------------------------------------------------------------------

    def _emit(self, op: type[ir.Op], **arguments: Any) -> None:
        self._emitter.emit(op, step=self._step, **arguments)

    def _code(self, value: Value, **names: str) -> ir.Code:
        return self._scope.code(value, **names)

    def _optional(self, value: Value | None, **names: str) -> ir.Code | None:
        return None if value is None else self._code(value, **names)

    def _amount(self, value: int | Value | None) -> Any:
        return value if value is None or isinstance(value, int) else self._code(value)

    def _enter_step(self, step: model.Step) -> None:
        path, start = [], 0
        for prefix, slot in self._repeats:
            path += [step.path[start : len(prefix)], slot]
            start = len(prefix)
        path.append(step.path[start:])
        line, column = step.span.start
        around = self._steps[self._step].name if self._steps else None
        self._step = len(self._steps)
        self._steps.append(ir.Step(name=step.name or around, path=tuple(path), line=line, column=column))

    @contextmanager
    def _resuming(self) -> Iterator[None]:
        """Instructions after the with block belong to the step that was entered before it."""
        step = self._step
        yield
        self._step = step

    # -- blocks and steps -------------------------------------------------------------------------

    def _block(self, block: model.Block) -> str | None:
        """Lower the items; returns the slot of the block's value, None when it is null."""
        result = None
        for step in block.steps:
            with self._resuming():
                self._enter_step(step)
                if isinstance(step, model.Output):
                    result = self._scope.fresh("output")
                    self._emit(ir.Assign, slot=result, value=self._code(step.value))
                elif step.name is None:
                    self._statement(step)
                else:
                    self._task(step, step.name)
        return result if block.value_of is None else self._scope.slot(block.value_of)

    def _body(self, block: model.Block, **names: str) -> str | None:
        """A block with names of its own."""
        with self._scope.nested(**names):
            return self._block(block)

    def _task(self, step: model.Step, name: str) -> None:
        """A named step: its guard, its work, its ``output``."""
        end, slot = Label(), self._scope.own(name)
        if step.guard is not None:
            self._emit(ir.Move, slot=slot, source=None)
            self._emit(ir.JumpUnless, condition=self._code(step.guard), to=end)
        with self._scope.nested():
            self._valued(step, slot)
        self._emitter.place(end)
        self._scope.declare(name, slot)

    def _valued(self, step: model.Step, slot: str) -> None:
        """The work of a step, its value or what ``output`` makes of it in the slot."""
        if step.output is None or isinstance(step, model.Call):
            self._work(step, slot)
            return
        result = self._scope.fresh("result")
        self._work(step, result)
        self._emit(ir.Assign, slot=slot, value=self._code(step.output, result=result))

    def _work(self, step: model.Step, slot: str) -> None:
        match step:
            case model.Call():
                with self._bounds(step):
                    self._call(step, slot, self._optional(step.idempotency_key))
            case model.Use():
                with self._bounds(step):
                    self._use(step, slot)
            case model.Do():
                with self._bounds(step):
                    self._emit(ir.Move, slot=slot, source=self._block(step.body))
            case model.NameValue():
                self._emit(ir.Assign, slot=slot, value=self._code(step.value))
            case model.Wait():
                duration, until = self._amount(step.duration), self._optional(step.until)
                self._emit(ir.Wait, duration=duration, until=until)
                self._emit(ir.Move, slot=slot, source=None)
            case model.WaitForEvent():
                self._wait_for_event(step, slot)
            case _:
                self._flow(step, slot)

    def _flow(self, step: model.Step, slot: str) -> None:
        raise AssertionError(f"{type(step).__name__} is not a task")

    def _statement(self, step: model.Step) -> None:
        match step:
            case model.If():
                self._if(step)
            case model.Set():
                values = sorted(step.values, key=itemgetter(0))
                self._emit(ir.SetVariables, values=tuple((name, self._code(value)) for name, value in values))
            case model.Return():
                self._emit(ir.Return, value=self._code(step.value))
            case model.Raise():
                self._raise(step)
            case model.Break():
                _, target, depth = self._loops[-1]
                self._emit(ir.Unwind, to=target, depth=depth)
            case model.Continue():
                target, _, depth = self._loops[-1]
                self._emit(ir.Unwind, to=target, depth=depth)
            case model.ContinueAsNew():
                value = self._code(step.input)
                self._emit(ir.ContinueAsNew, input=value, carry=step.carry_events, version=step.version)
            case model.Log():
                message, fields = self._code(step.message), self._optional(step.fields)
                self._emit(ir.Log, level=step.level, message=message, fields=fields)
            case model.SetCustomStatus():
                self._emit(ir.SetCustomStatus, value=self._code(step.value))
            case _:
                self._message(step)

    def _message(self, step: model.Step) -> None:
        raise AssertionError(f"{type(step).__name__} is not a statement")

    # -- plain steps ------------------------------------------------------------------------------

    def _call(self, step: model.Call, slot: str, key: ir.Code | None) -> None:
        result = self._scope.fresh("result")
        output = self._optional(step.output, result=result)
        if output is not None:
            output = ir.Code(output.value, (("result", "result"),) if output.reads else ())
        arguments, secrets = (None, ()) if step.arguments is None else without_secrets(step.arguments)
        self._emit(
            ir.Call,
            slot=slot,
            activity=step.activity,
            arguments=self._optional(arguments),
            secrets=secrets,
            key=key,
            output=output,
            heartbeat=self._amount(step.heartbeat),
            queue=step.queue,
            priority=step.priority,
            fairness_key=self._optional(step.fairness_key),
            concurrency=self._key_limit(step.concurrency),
        )

    def _key_limit(self, limit: model.KeyLimit | None) -> ir.KeyLimit | None:
        if limit is None:
            return None
        return ir.KeyLimit(key=self._code(limit.key), limit=self._amount(limit.limit))

    def _use(self, step: model.Use, slot: str) -> None:
        """A function, put in here: its names have slots of their own."""
        args = self._scope.fresh("args")
        if step.arguments is None:
            self._emit(ir.Move, slot=args, source=None)
        else:
            self._emit(ir.Assign, slot=args, value=self._code(step.arguments))
        with self._scope.function(args=args):
            self._emit(ir.Move, slot=slot, source=self._block(step.body))

    def _wait_for_event(self, step: model.WaitForEvent, slot: str) -> None:
        event, result = self._scope.fresh("event"), self._scope.fresh("result")
        late, end = Label(), Label()
        listed = step.count is not None or step.until is not None
        self._emit(
            ir.WaitEvent,
            slot=slot,
            event=step.event,
            timeout=self._amount(step.timeout),
            listed=listed,
            count=self._amount(step.count),
            until=self._optional(step.until, event=event),
            correlate=self._correlation(step.correlate, event),
            event_slot=event,
            on_timeout=None if step.on_timeout is None else late,
            result_slot=result,
        )
        if step.on_timeout is None:
            return
        self._emit(ir.Jump, to=end)
        self._emitter.place(late)
        names = {"result": result} if listed else {}
        self._emit(ir.Move, slot=slot, source=self._body(step.on_timeout, **names))
        self._emitter.place(end)

    def _correlation(self, condition: Value | None, event: str) -> ir.Correlation | None:
        if condition is None:
            return None
        found = equality(condition) if isinstance(condition, Embedded) else None
        assert found is not None, "the rules found an equality"
        event_key, known = found
        return ir.Correlation(
            condition=self._code(condition, event=event),
            event_key=self._code(event_key, event=event),
            known=self._code(known),
        )

    def _if(self, step: model.If) -> None:
        otherwise, end = Label(), Label()
        self._emit(ir.JumpUnless, condition=self._code(step.condition), to=otherwise)
        self._body(step.then)
        if step.otherwise is not None:
            self._emit(ir.Jump, to=end)
        self._emitter.place(otherwise)
        if step.otherwise is not None:
            self._body(step.otherwise)
        self._emitter.place(end)

    def _raise(self, step: model.Raise) -> None:
        if not isinstance(step.error, str):
            self._emit(ir.RaiseValue, value=self._code(step.error))
            return
        self._emit(
            ir.Raise,
            error=step.error,
            message=self._optional(step.message),
            data=self._optional(step.data),
            cause=self._optional(step.cause),
        )

    # -- time limits and retry --------------------------------------------------------------------

    def _bounds(self, step: model.Bounded) -> AbstractContextManager[None]:
        """Wrap a body in a ``Bound`` scope, if the step has limits."""
        retry = None if step.retry is None else self._retry(step.retry)
        return self._bound(step.timeout, step.deadline, retry)

    @contextmanager
    def _bound(
        self,
        timeout: int | Value | None,
        deadline: int | Value | None = None,
        retry: ir.RetryPolicy | None = None,
    ) -> Iterator[None]:
        """Wrap a body in a ``Bound`` scope, if there is a limit."""
        if timeout is None and deadline is None and retry is None:
            yield
            return
        self._emit(ir.EnterBound, timeout=self._amount(timeout), deadline=self._amount(deadline), retry=retry)
        with self._deeper():
            yield
        self._emit(ir.LeaveBound)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        """The body of a scope."""
        self._depth += 1
        yield
        self._depth -= 1

    def _retry(self, retry: model.Retry) -> ir.RetryPolicy:
        error = self._scope.fresh("error")
        return ir.RetryPolicy(
            attempts=self._amount(retry.attempts),
            delay=self._amount(retry.delay),
            backoff=retry.backoff,
            max_delay=self._amount(retry.max_delay),
            jitter=retry.jitter == "full",
            on=retry.on,
            except_=retry.except_,
            when=self._optional(retry.when, error=error),
            error_slot=error,
        )
