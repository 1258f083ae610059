"""Refuses a Program that the machine could not run: a fault of the compiler, never of an author."""

from __future__ import annotations

from perdure.compiler import ir
from perdure.compiler.flow import Flow, InvalidProgram
from perdure.compiler.slots import Needed, codes, copied

__all__ = ["InvalidProgram", "verify", "verify_entity"]

_PROGRESS = (ir.NextItem, ir.NextRound)
_ASKING = (ir.Call, ir.CallWorkflow, ir.CallEntity)


def verify(program: ir.Program) -> None:
    """Check jumps, scopes, loops, slots and paths. Raises ``InvalidProgram``."""
    for at, op in enumerate(program.code):
        if not 0 <= op.step < len(program.steps):
            raise InvalidProgram(f"{at}: there is no step {op.step}")
    flow = Flow(program.code)
    _check_loops(flow)
    _check_sagas(flow)
    _check_slots(flow, program.steps)
    _check_paths(program)
    _check_header(program)


def verify_entity(program: ir.EntityProgram) -> None:
    """Check that expressions read what is there, and readonly operations read. Raises ``InvalidProgram``."""
    for name, operation in program.operations.items():
        known: set[str] = set()
        for local, code in operation.let:
            _check_reads(code, known, f"{name}.{local}")
            if local in known:
                raise InvalidProgram(f"{name}: two values are called {local}")
            known.add(local)
        for part in (
            operation.require,
            operation.fields,
            operation.replacement,
            operation.returns,
            operation.signals,
            operation.launches,
        ):
            _check_reads(part, known, name)
        keys = [key for key, _ in operation.fields]
        if len(keys) != len(set(keys)) or (keys and operation.replacement is not None):
            raise InvalidProgram(f"{name}: sets the same twice")
        if operation.readonly and (keys or operation.replacement is not None or operation.delete):
            raise InvalidProgram(f"{name}: is readonly and changes the state")


def _check_reads(value: object, known: set[str], where: str) -> None:
    read = {slot for code in codes(value) for _, slot in code.reads}
    if missing := read - known:
        raise InvalidProgram(f"{where}: slots {sorted(missing)} are read and never written")


def _check_loops(flow: Flow) -> None:
    """Every way back counts an item or an iteration of a loop that began before."""
    for at, edges in flow.edges.items():
        for to in {edge.to for edge in edges if edge.to <= at}:
            inside = flow.code[to : at + 1]
            begun = {op.loop for op in inside if isinstance(op, ir.StartItems | ir.StartRounds)}
            if not any(isinstance(op, _PROGRESS) and op.loop not in begun for op in inside):
                raise InvalidProgram(f"{at}: jumps back to {to} without progress")


def _check_sagas(flow: Flow) -> None:
    """What is registered is kept by a saga. A checkpoint is not inside what a generation cannot pass on."""
    for at, stack in flow.stacks.items():
        around = [flow.code[each.at] for each in stack]
        match flow.code[at]:
            case ir.Register() if not any(isinstance(each, ir.EnterSaga) for each in around):
                raise InvalidProgram(f"{at}: registers a compensation outside of a saga")
            case ir.Checkpoint() if not all(isinstance(each, ir.EnterBound) for each in around):
                raise InvalidProgram(f"{at}: a checkpoint inside {[type(each).__name__ for each in around]}")
            case _:
                pass


def _check_slots(flow: Flow, steps: tuple[ir.Step, ...]) -> None:
    """No slot is read before it is written, and what leaves its frame behind takes along what is needed."""
    needed = Needed(flow, steps)
    if missing := needed.at(0):
        raise InvalidProgram(f"slots {sorted(missing)} may be read before they are written")
    for at in flow.stacks:
        op = flow.code[at]
        match op:
            case ir.Register() | ir.FanOut():
                taken = op.captures
            case ir.Checkpoint():
                taken = op.carries
            case _:
                continue
        if taken != copied(op, at, needed):
            raise InvalidProgram(f"{at}: takes along {list(taken)}, needs {list(copied(op, at, needed))}")


def _check_paths(program: ir.Program) -> None:
    """A path names one step: idempotency keys and ids of children are made from it."""
    paths = [program.steps[op.step].static_path for op in program.code if isinstance(op, _ASKING)]
    if len(paths) != len(set(paths)):
        raise InvalidProgram("two calls have the same path")


def _check_header(program: ir.Program) -> None:
    """The header's expressions read the environment, and ``schedule`` where that is known."""
    header = (tuple(program.tags.values()), tuple(program.queries.values()), program.concurrency)
    _check_reads(header, set(), "header")
    _check_reads(program.schedules, {"schedule"}, "schedule")
