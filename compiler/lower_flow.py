"""Lowering of what branches, repeats and guards: switch, loops, try and everything concurrent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perdure.compiler import ir
from perdure.compiler.emitter import Label
from perdure.compiler.lower import Lowering
from perdure.dsl import model

_FAN_OUT_NAMES = ("results", "errors", "succeeded", "failed", "total")


class FlowLowering(Lowering):
    """``Lowering`` with all constructs."""

    def _flow(self, step: model.Step, slot: str) -> None:
        match step:
            case model.Switch():
                self._switch(step, slot)
            case model.Try():
                self._try(step, slot)
            case model.ForEach():
                with self._bound(step.timeout):
                    self._for_each(step, slot)
            case model.Loop():
                with self._bound(step.timeout):
                    self._loop(step, slot)
            case model.FanOut():
                with self._bound(step.timeout):
                    self._fan_out(step, slot)
            case model.Parallel():
                with self._bound(step.timeout):
                    self._parallel(step, slot)
            case model.Race():
                with self._bound(step.timeout):
                    self._race(step, slot)
            case _:
                super()._flow(step, slot)

    # -- choices ----------------------------------------------------------------------------------

    def _switch(self, step: model.Switch, slot: str) -> None:
        end = Label()
        for case in step.cases:
            otherwise = Label()
            self._emit(ir.JumpUnless, condition=self._code(case.when), to=otherwise)
            self._emit(ir.Move, slot=slot, source=self._body(case.body))
            self._emit(ir.Jump, to=end)
            self._emitter.place(otherwise)
        value = None if step.otherwise is None else self._body(step.otherwise)
        self._emit(ir.Move, slot=slot, source=value)
        self._emitter.place(end)

    def _try(self, step: model.Try, slot: str) -> None:
        clauses, finally_, end = Label(), Label(), Label()
        self._emit(
            ir.EnterTry,
            catch=clauses if step.catches else None,
            finally_=None if step.finally_ is None else finally_,
            end=end,
        )
        with self._deeper():
            with self._bounds(step):
                self._emit(ir.Move, slot=slot, source=self._body(step.body))
            self._emit(ir.LeaveTry)
            if step.catches:
                self._emitter.place(clauses)
                for clause in step.catches:
                    self._catch(clause, slot)
                self._emit(ir.Rethrow)
            if step.finally_ is not None:
                self._emitter.place(finally_)
                self._body(step.finally_)
                self._emit(ir.EndFinally)
        self._emitter.place(end)

    def _catch(self, clause: model.Catch, slot: str) -> None:
        error, otherwise = self._scope.fresh("error"), Label()
        when = self._optional(clause.when, error=error)
        self._emit(ir.Catch, errors=clause.errors, when=when, error_slot=error, otherwise=otherwise)
        self._emit(ir.Move, slot=slot, source=self._body(clause.body, error=error))
        self._emit(ir.LeaveTry)
        self._emitter.place(otherwise)

    # -- loops ------------------------------------------------------------------------------------

    @contextmanager
    def _iteration(self, step: model.Step, key: str, skip: Label, leave: Label) -> Iterator[None]:
        """The body of a loop: its steps' paths carry ``key``, and it may be left or cut short."""
        self._repeats.append((step.path, key))
        self._loops.append((skip, leave, self._depth))
        yield
        self._loops.pop()
        self._repeats.pop()

    def _for_each(self, step: model.ForEach, slot: str) -> None:
        loop, index, item = self._scope.fresh("items"), self._scope.fresh("index"), self._scope.own(step.each)
        skip, end = Label(), Label()
        limit = self._amount(step.limit)
        self._emit(ir.StartItems, items=self._code(step.items), limit=limit, loop=loop)
        top = self._emitter.here()
        self._emit(ir.NextItem, loop=loop, item_slot=item, index_slot=index, end=end)
        with self._iteration(step, index, skip, end):
            value = self._body(step.body, **{step.each: item, step.at: index})
        self._emit(ir.EndItem, loop=loop, source=value, to=top)
        self._emitter.place(skip)
        self._emit(ir.EndItem, loop=loop, source=None, to=top)
        self._emitter.place(end)
        self._emit(ir.CollectItems, loop=loop, slot=slot)

    def _loop(self, step: model.Loop, slot: str) -> None:
        loop, index = self._scope.fresh("rounds"), self._scope.fresh("index")
        skip, test, end = Label(), Label(), Label()
        self._emit(ir.Move, slot=slot, source=None)
        self._emit(ir.StartRounds, limit=self._amount(step.limit), loop=loop, index_slot=index)
        top = self._emitter.here()
        if step.kind == "while":
            self._emit(ir.JumpUnless, condition=self._code(step.condition), to=end)
        self._emit(ir.NextRound, loop=loop, index_slot=index)
        with self._scope.nested(**{step.at: index}):
            with self._iteration(step, index, skip, end):
                value = self._block(step.body)
            self._emit(ir.Move, slot=slot, source=value)
            self._emit(ir.Jump, to=test)
            self._emitter.place(skip)
            self._emit(ir.Move, slot=slot, source=None)
            self._emitter.place(test)
            if step.checkpoint_every is not None:
                self._checkpoint(step, index, top, end)
            elif step.kind == "until":
                self._emit(ir.JumpUnless, condition=self._code(step.condition), to=top)
            else:
                self._emit(ir.Jump, to=top)
        self._emitter.place(end)

    def _checkpoint(self, step: model.Loop, index: str, top: Label, end: Label) -> None:
        """The end of an iteration after which a new generation may begin."""
        if step.kind == "until":
            again = Label()
            self._emit(ir.JumpUnless, condition=self._code(step.condition), to=again)
            self._emit(ir.Jump, to=end)
            self._emitter.place(again)
        self._emit(ir.Checkpoint, every=step.checkpoint_every, index_slot=index, carries=())
        self._emit(ir.Jump, to=top)

    # -- side by side -----------------------------------------------------------------------------

    @contextmanager
    def _fiber(self) -> Iterator[None]:
        """Code of a branch: it has a scope stack of its own, and no loop around it to leave."""
        depth, loops = self._depth, self._loops
        self._depth, self._loops = 0, []
        yield
        self._depth, self._loops = depth, loops

    def _fan_out(self, step: model.FanOut, slot: str) -> None:
        index, key = self._scope.fresh("index"), self._scope.fresh("key")
        tolerate = step.on_failure if isinstance(step.on_failure, model.Tolerate) else model.Tolerate()
        item = self._scope.own(step.each)
        names = {step.each: item, step.at: index}
        until_slots = {name: self._scope.fresh(name) for name in _FAN_OUT_NAMES}
        body, end = Label(), Label()
        self._emit(
            ir.FanOut,
            slot=slot,
            items=self._code(step.items),
            item_slot=item,
            index_slot=index,
            key_slot=key,
            key=self._optional(step.key, **names),
            width=self._amount(step.width),
            policy="tolerate" if isinstance(step.on_failure, model.Tolerate) else step.on_failure,
            tolerate_count=tolerate.count,
            tolerate_share=tolerate.share,
            until=self._optional(step.until, **until_slots),
            until_slots=tuple(until_slots.values()),
            keep=step.keep,
            chunk=step.chunk,
            captures=(),
            body=body,
            end=end,
        )
        self._emitter.place(body)
        self._repeats.append((step.path, key))
        with self._fiber():
            self._emit(ir.EndBranch, source=self._body(step.body, **names))
        self._repeats.pop()
        self._emitter.place(end)

    def _branches(self, branches: tuple[model.Branch, ...]) -> tuple[tuple[str, Label], ...]:
        return tuple((branch.name, Label()) for branch in branches)

    def _branch_bodies(
        self, branches: tuple[model.Branch, ...], starts: tuple[tuple[str, Label], ...]
    ) -> None:
        for branch, (_, start) in zip(branches, starts, strict=True):
            self._emitter.place(start)
            with self._fiber():
                self._emit(ir.EndBranch, source=self._body(branch.body))

    def _parallel(self, step: model.Parallel, slot: str) -> None:
        starts, end = self._branches(step.branches), Label()
        self._emit(ir.Parallel, slot=slot, branches=starts, collect=step.on_failure == "collect", end=end)
        self._branch_bodies(step.branches, starts)
        self._emitter.place(end)

    def _race(self, step: model.Race, slot: str) -> None:
        starts, end = self._branches(step.branches), Label()
        self._emit(ir.Race, slot=slot, branches=starts, end=end)
        self._branch_bodies(step.branches, starts)
        self._emitter.place(end)
