"""Types of blocks, and of the steps that hold blocks."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related
from perdure.dsl.expr.ast import Value
from perdure.dsl.rules.flow import completes
from perdure.dsl.rules.places import blocks
from perdure.dsl.source import Span
from perdure.dsl.types.asking import Operations
from perdure.dsl.types.catalog import Catalog
from perdure.dsl.types.kinds import (
    DYN,
    INT,
    NEVER,
    NULL,
    STRING,
    List,
    Object,
    Type,
    describe,
    join,
    list_of,
    members,
    object_of,
)
from perdure.dsl.types.names import COUNTERS, caught, fan_out_type, outcome_of
from perdure.dsl.types.positions import CONDITION, COUNT, LENGTH, LOOPED, MOMENT, Env
from perdure.dsl.types.steps import Steps


class Blocks(Steps):
    """Checks blocks, from the first step to the last."""

    def __init__(
        self,
        workflow: model.Workflow,
        catalog: Catalog,
        operations: Operations,
        diagnostics: Collector,
        *,
        strict: bool,
    ) -> None:
        super().__init__(workflow, catalog, operations, diagnostics, strict=strict)
        self._usual: dict[str, frozenset[tuple[str, Span]]] = {}
        self._blamed: set[tuple[str, Span]] = set()
        """Places of functions that were said to be wrong because of a call."""
        self._generic = False

    def block(self, block: model.Block, outer: Env) -> tuple[Type, Env]:
        """The type of a block's value, NEVER when none reaches its end; and the names at its end."""
        env = Env(outer)
        value: Type = NULL
        for step in block.steps:
            found = self.step(step, env)
            if step.name is not None:
                # What fails is said once, not again wherever its name is read.
                env.add(step.name, DYN if found == NEVER else found)
            if step.name == block.value_of is not None or isinstance(step, model.Output):
                value = found
        return (value if completes(block) else NEVER), env

    def optional(self, block: model.Block | None, env: Env) -> Type:
        """The value of a block that may not be there: then it is null."""
        return NULL if block is None else self.block(block, env)[0]

    def step(self, step: model.Step, env: Env) -> Type:
        """The type of a step's value."""
        self.condition(step.guard, env)
        if isinstance(step, model.Bounded):
            self.needs(step.timeout, env, LENGTH)
            self.needs(step.deadline, env, LENGTH)
            self.retry(step.retry, env)
        elif isinstance(step, model.CallEntity | model.Saga | model.LockEntities | _TIMED):
            self.needs(step.timeout, env, LENGTH)
        value, end = self.kind(step, env)
        if step.output is not None:
            # A worker evaluates that of a call, and has nothing but the result.
            scope = Env(None, result=value) if isinstance(step, model.Call) else Env(end, result=value)
            value = self.json(step.output, scope)
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity):
            self.compensate(step, step.compensate, value, env)
        return value if step.guard is None else join(value, NULL)

    def condition(self, value: Value | None, env: Env) -> None:
        """A condition; what it asks for with ``has`` is known to be asked for after it."""
        if value is not None:
            self.needs(value, env, CONDITION)
            env.test(value)

    def kind(self, step: model.Step, env: Env) -> tuple[Type, Env]:
        """The value before ``output``, and the names that ``output`` sees."""
        match step:
            case model.Do():
                return self.block(step.body, env)
            case model.Saga():
                self.retry(step.retry, env)
                return self.block(step.body, env)
            case model.LockEntities():
                self.targets(step.entities, env)
                return self.block(step.body, env)[0], env
            case model.Call():
                return self.call(step, env), env
            case model.Use():
                arguments = self.json(step.arguments, env)
                return self.used(step, arguments), env
            case model.CallWorkflow():
                return self.child(step, env), env
            case model.StartWorkflow():
                self.needs(step.start_at, env, MOMENT)
                self.child(step, env)
                return STRING, env
            case model.CallEntity():
                return self.operation(step, env), env
            case model.SignalEntity():
                self.needs(step.at, env, MOMENT)
                self.operation(step, env)
                return NULL, env
            case model.If() | model.Switch() | model.Try() | model.WaitForEvent():
                return self.branching(step, env), env
            case model.FanOut() | model.ForEach() | model.Loop():
                return self.repeating(step, env), env
            case model.Parallel() | model.Race():
                return self.concurrent(step, env), env
            case _:
                return self.leaf(step, env), env

    def used(self, step: model.Use, arguments: Type) -> Type:
        """The task of a function; what is wrong because of the arguments names the call, once a place."""
        usual = self.whatever_it_is_given(step.function)
        diagnostics, self.diagnostics = self.diagnostics, Collector(self.diagnostics.file)
        value = self.block(step.body, Env(self.base, args=arguments))[0]
        found, self.diagnostics = self.diagnostics, diagnostics
        here = Related(span=step.function_span, message=f"called here with {_given(arguments)}")
        for each in found:
            place = (each.code, each.span)
            because_of_it = place not in usual
            if each.code == "PD900" or (because_of_it and place in self._blamed):
                continue
            if because_of_it and not self._generic:
                self._blamed.add(place)
            related = (*each.related, here) if because_of_it else each.related
            diagnostics.add(
                each.code, each.message, each.span, hint=each.hint, related=related, kind=each.kind
            )
        return value

    def whatever_it_is_given(self, name: str) -> frozenset[tuple[str, Span]]:
        """The places of a function where something is wrong with arguments of unknown types, too."""
        if name not in self._usual:
            self._usual[name] = frozenset()
            function = next(each for each in self.workflow.functions if each.name == name)
            diagnostics, self.diagnostics = self.diagnostics, Collector(self.diagnostics.file)
            generic, self._generic = self._generic, True
            self.block(function.body, Env(self.base, args=DYN))
            self._generic = generic
            found, self.diagnostics = self.diagnostics, diagnostics
            self._usual[name] = frozenset((each.code, each.span) for each in found)
        return self._usual[name]

    def branching(self, step: model.If | model.Switch | model.Try | model.WaitForEvent, env: Env) -> Type:
        """Steps of which one block runs, or none."""
        match step:
            case model.If():
                self.condition(step.condition, env)
                self.block(step.then, env)
                self.optional(step.otherwise, env)
                return NULL
            case model.Switch():
                values = []
                for case in step.cases:
                    self.condition(case.when, env)
                    values.append(self.block(case.body, env)[0])
                return join(*values, self.optional(step.otherwise, env))
            case model.Try():
                values = [self.block(step.body, env)[0]]
                for clause in step.catches:
                    inner = Env(env, error=caught(clause.errors, self.workflow.errors))
                    self.condition(clause.when, inner)
                    values.append(self.block(clause.body, inner)[0])
                self.optional(step.finally_, env)
                return join(*values)
            case model.WaitForEvent():
                payload = self.wait_for_event(step, env)
                if step.on_timeout is None:
                    return payload
                late = Env(env, result=payload) if isinstance(payload, List) else env
                return join(payload, self.block(step.on_timeout, late)[0])

    def repeating(self, step: model.FanOut | model.ForEach | model.Loop, env: Env) -> Type:
        """Steps that run their block again and again."""
        inner = Env(env, **{step.at: INT})
        if isinstance(step, model.Loop):
            return self.loop(step, env, inner)
        items = self.needs(step.items, env, LOOPED)
        item = join(*(each.item if isinstance(each, List) else DYN for each in members(items)))
        inner.add(step.each, DYN if item == NEVER else item)
        if isinstance(step, model.ForEach):
            self.needs(step.limit, env, COUNT)
            value = self.block(step.body, inner)[0]
            return list_of(join(value, NULL) if _cut_short(step.body) else value)
        self.needs(step.width, env, COUNT)
        if step.key is not None:
            self.json(step.key, inner)
        result = fan_out_type(step, self.block(step.body, inner)[0])
        if step.until is not None:
            lists = dict.fromkeys(("results", "errors"), DYN)
            self.needs(step.until, Env(env, **lists, **dict.fromkeys(COUNTERS, INT)), CONDITION)
        return result

    def loop(self, step: model.Loop, env: Env, inner: Env) -> Type:
        """``while`` and ``until``."""
        self.needs(step.limit, env, COUNT)
        if step.kind == "while":
            self.condition(step.condition, env)
            inner.tested |= env.tested
        value, end = self.block(step.body, inner)
        if step.kind == "until":
            self.needs(step.condition, end, CONDITION)
        return value if step.kind == "until" and not _cut_short(step.body) else join(value, NULL)

    def concurrent(self, step: model.Parallel | model.Race, env: Env) -> Type:
        """``parallel`` and ``race``."""
        values = {branch.name: self.block(branch.body, env)[0] for branch in step.branches}
        if isinstance(step, model.Race):
            return object_of({"winner": STRING, "value": join(*values.values())}, rest=DYN)
        if step.on_failure == "collect":
            values = {name: outcome_of(value) for name, value in values.items()}
        return object_of(values, rest=DYN)


def _given(arguments: Type) -> str:
    """The arguments of a function in a message."""
    if not isinstance(arguments, Object) or not arguments.fields:
        return describe(arguments)
    shown = [f"{name}: {describe(kind)}" for name, kind in list(arguments.fields.items())[:5]]
    return ", ".join([*shown, "…"] if len(arguments.fields) > len(shown) else shown)


_TIMED = model.FanOut | model.ForEach | model.Loop | model.Parallel | model.Race


def _cut_short(block: model.Block) -> bool:
    """Whether ``break`` or ``continue`` may end an iteration, which then has no value."""
    return any(_jumps(step) for step in block.steps)


def _jumps(step: model.Step) -> bool:
    if isinstance(step, model.Break | model.Continue):
        return True
    return not isinstance(step, model.FanOut | model.ForEach | model.Loop) and any(
        _cut_short(block) for block in blocks(step)
    )
