"""Damaged Programs are refused, whatever is damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from perdure.compiler import ir
from perdure.compiler.flow import Flow
from perdure.compiler.verify import InvalidProgram, verify, verify_entity
from tests.compiler.corpus import CASES, compiled, entities, workflows
from tests.tables import every

TARGETS = ("to", "otherwise", "end", "body", "catch", "finally_", "on_timeout")
CLOSING = (ir.LeaveBound, ir.LeaveTry, ir.EndFinally, ir.LeaveLock, ir.LeaveSaga)
SAGA = """\
  - hint: { value: 1 }
  - trip:
      saga:
        - flight: { call: Book, compensate: { call: Undo, with: ["${ flight }", "${ hint }"] } }
"""
LOOP = """\
  - polled:
      until: ${ status == 1 }
      limit: 9
      checkpoint_every: 3
      do:
        - status: { call: A }
"""

change = msgspec.structs.replace


def reached(program: ir.Program) -> Iterator[tuple[int, ir.Op]]:
    """The instructions that can be run."""
    return ((at, program.code[at]) for at in sorted(Flow(program.code).stacks))


def with_op(program: ir.Program, at: int, op: ir.Op) -> ir.Program:
    """The Program with another instruction in this place."""
    return change(program, code=(*program.code[:at], op, *program.code[at + 1 :]))


def assert_refused(program: ir.Program) -> None:
    """The verifier finds fault with the Program."""
    with pytest.raises(InvalidProgram):
        verify(program)


def index_of(program: ir.Program, kind: type[ir.Op]) -> int:
    """Where the first instruction of a kind stands."""
    return next(at for at, op in enumerate(program.code) if isinstance(op, kind))


def renamed(value: Any) -> Any:
    """The value with every slot that an expression reads called otherwise."""
    if isinstance(value, ir.Code):
        return ir.Code(value.value, tuple((name, "nowhere") for name, _ in value.reads))
    if isinstance(value, tuple):
        return tuple(map(renamed, value))
    if isinstance(value, msgspec.Struct):
        return change(value, **{name: renamed(getattr(value, name)) for name in value.__struct_fields__})
    return value


@every(CASES)
def test_a_jump_out_of_the_code_is_refused(case: str) -> None:
    """No target of an instruction may lie outside the code."""
    for program in workflows(case):
        for at, op in reached(program):
            for name in TARGETS:
                if isinstance(getattr(op, name, None), int):
                    assert_refused(with_op(program, at, change(op, **{name: len(program.code)})))


@every(CASES)
def test_a_scope_that_is_not_opened_is_refused(case: str) -> None:
    """Without one of the instructions that open scopes, those that close them do not fit."""
    for program in workflows(case):
        stacks = Flow(program.code).stacks
        tops = [stacks[at][-1] for at, op in reached(program) if isinstance(op, CLOSING)]
        closed = {top.at for top in tops if top.part == "body"}
        for at, op in reached(program):
            if at in closed:
                assert_refused(with_op(program, at, ir.Jump(step=op.step, to=at + 1)))


@pytest.mark.parametrize(
    "step",
    [
        "{ call: A, timeout: 1s }",
        "{ try: [ { b: { call: B } } ], catch: [ { do: [ { c: { call: C } } ] } ] }",
        "{ try: [ { b: { call: B } } ], finally: [ { c: { call: C } } ] }",
        "{ lock_entities: [ E@1 ], do: [ { b: { call: B } } ] }",
        "{ saga: [ { b: { call: B, compensate: { call: C } } } ] }",
    ],
)
def test_a_scope_that_is_not_closed_is_refused(step: str) -> None:
    """Without one of the instructions that close scopes the code behind has one too many."""
    program = compiled(f"  - a: {step}\n")
    stacks = Flow(program.code).stacks
    for at, op in reached(program):
        if (
            isinstance(op, CLOSING) and stacks[at][-1].part != "catch"
        ):  # behind a clause the error may as well go on
            assert_refused(with_op(program, at, ir.Jump(step=op.step, to=at + 1)))


@every(CASES)
def test_a_slot_that_nobody_writes_is_refused(case: str) -> None:
    """An expression that reads a slot without a value is found."""
    for program in workflows(case):
        for at, op in reached(program):
            damaged = renamed(op)
            if damaged != op and not isinstance(op, ir.Call):
                assert_refused(with_op(program, at, damaged))


@every(CASES)
def test_a_branch_that_does_not_end_is_refused(case: str) -> None:
    """Without its last instruction a branch runs into what follows."""
    for program in workflows(case):
        for at, op in reached(program):
            if isinstance(op, ir.EndBranch):
                assert_refused(with_op(program, at, ir.Jump(step=op.step, to=at + 1)))


@every(CASES)
def test_a_loop_without_progress_is_refused(case: str) -> None:
    """A way back that counts neither items nor iterations is found."""
    for program in workflows(case):
        for at, op in reached(program):
            if isinstance(op, ir.NextRound | ir.NextItem):
                assert_refused(with_op(program, at, ir.Jump(step=op.step, to=at + 1)))


@every(CASES)
def test_a_step_that_does_not_exist_is_refused(case: str) -> None:
    """Each instruction belongs to a step of the Program."""
    for program in workflows(case):
        for at, op in reached(program):
            assert_refused(with_op(program, at, change(op, step=len(program.steps))))


@every(CASES)
def test_a_copy_of_too_few_or_too_many_slots_is_refused(case: str) -> None:
    """What leaves its frame behind takes along exactly what will be read."""
    for program in workflows(case):
        for at, op in reached(program):
            name = "carries" if isinstance(op, ir.Checkpoint) else "captures"
            slots = getattr(op, name, None)
            if slots is not None:
                assert_refused(with_op(program, at, change(op, **{name: (*slots, "more")})))
            if slots:
                assert_refused(with_op(program, at, change(op, **{name: slots[1:]})))


def test_a_compensation_outside_of_a_saga_is_refused() -> None:
    """What registers a compensation stands in a saga, in whatever fiber."""
    program = compiled(SAGA)
    opened, closed = index_of(program, ir.EnterSaga), index_of(program, ir.LeaveSaga)
    program = with_op(program, opened, ir.Jump(step=0, to=opened + 1))
    assert_refused(with_op(program, closed, ir.Jump(step=0, to=closed + 1)))


def test_a_compensation_that_reads_vars_needs_a_slot_for_them() -> None:
    """A compensation has the variables of its own time, or none."""
    program = compiled(SAGA.replace("${ hint }", "${ vars.n }"), "vars: { n: 1 }")
    at = index_of(program, ir.Register)
    assert_refused(with_op(program, at, change(program.code[at], vars_slot=None)))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda op: ir.EnterSaga(step=op.step, on_failure="stop"),
        lambda op: ir.EnterLock(step=op.step, targets=(), listed=None, timeout=None),
        lambda op: ir.EnterTry(step=op.step, catch=None, finally_=None, end=op.step),
    ],
)
def test_a_checkpoint_inside_what_a_generation_cannot_pass_on_is_refused(
    wrap: Callable[[ir.Op], ir.Op],
) -> None:
    """A checkpoint stands in no scope but those of time limits."""
    program = compiled(LOOP.replace("limit: 9", "limit: 9\n      timeout: 1h"))
    at = index_of(program, ir.EnterBound)
    assert_refused(with_op(program, at, wrap(program.code[at])))


def test_two_children_with_one_path_are_refused() -> None:
    """Ids of children and keys of calls are made from paths, so each is there once."""
    program = compiled("  - a: { call_workflow: x }\n  - b: { call_entity: A@b, op: c }\n")
    at = index_of(program, ir.CallEntity)
    assert_refused(with_op(program, at, change(program.code[at], step=program.code[0].step)))


def test_an_unwinding_deeper_than_the_fiber_is_refused() -> None:
    """A jump out of a loop leaves no scope of another fiber."""
    loop = "  - a:\n      for_each: [1]\n      do:\n        - break\n"
    program = compiled(loop)
    at = index_of(program, ir.Unwind)
    assert_refused(with_op(program, at, change(program.code[at], depth=1)))


@pytest.mark.parametrize("name", ["tags", "queries"])
def test_a_header_that_reads_slots_is_refused(name: str) -> None:
    """What the header computes has no frame to read from."""
    program = compiled("  - a: { call: A }\n  - return: ${ a }\n")
    read = program.code[index_of(program, ir.Return)].value  # type: ignore[union-attr]
    assert_refused(change(program, **{name: {"x": read}}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda each: change(each, returns=renamed_local(each.let[0][1])),
        lambda each: change(each, let=(each.let[1], each.let[0])),
        lambda each: change(each, let=(each.let[0], each.let[0])),
        lambda each: change(each, readonly=True),
        lambda each: change(each, fields=(*each.fields, *each.fields)),
        lambda each: change(each, replacement=each.returns),
        lambda each: change(each, signals=(change(each.signals[0], condition=renamed_local(each.returns)),)),
    ],
)
def test_a_damaged_entity_is_refused(damage: Callable[[ir.Operation], ir.Operation]) -> None:
    """An operation reads what its ``let`` has named, and changes its state once, if it may at all."""
    program = entities("entity_account")[0]
    operations = {**program.operations, "withdraw": damage(program.operations["withdraw"])}
    with pytest.raises(InvalidProgram):
        verify_entity(change(program, operations=operations))


def renamed_local(code: ir.Code | None) -> ir.Code:
    """The value as if it read a name that is not there."""
    assert code is not None
    return ir.Code(code.value, (("x", "nowhere"),))
