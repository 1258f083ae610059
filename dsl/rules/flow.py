"""Which blocks run to their end, and which have a value: what several rules need to know."""

from __future__ import annotations

from perdure.dsl import model


def completes(block: model.Block | None) -> bool:
    """Whether a block can run to its end; a missing one does."""
    return block is None or all(passes(step) for step in block.steps)


def passes(step: model.Step) -> bool:
    """Whether what follows a step can be reached."""
    if step.guard is not None:
        return True
    match step:
        case model.Return() | model.Raise() | model.Break() | model.Continue() | model.ContinueAsNew():
            return False
        case model.Do() | model.Saga() | model.LockEntities() | model.Use():
            return completes(step.body)
        case model.If():
            return step.otherwise is None or completes(step.then) or completes(step.otherwise)
        case model.Switch():
            return step.otherwise is None or any(map(completes, branches(step)))
        case model.Try():
            return completes(step.finally_) and any(map(completes, branches(step)))
        case model.Parallel():
            return step.on_failure == "collect" or all(completes(branch.body) for branch in step.branches)
        case model.Race():
            return any(completes(branch.body) for branch in step.branches)
        case _:
            return True


def branches(step: model.Switch | model.Try) -> tuple[model.Block, ...]:
    """The blocks of which one gives the step its value."""
    if isinstance(step, model.Switch):
        blocks = [case.body for case in step.cases]
        return (*blocks, step.otherwise) if step.otherwise else tuple(blocks)
    return (step.body, *(clause.body for clause in step.catches))


def valueless(step: model.Step) -> model.Block | None:
    """The block because of which a step has no value, or None when it has one."""
    match step:
        case model.Do() | model.Saga() | model.LockEntities():
            candidates: tuple[model.Block, ...] = (step.body,)
        case model.Use():
            return None if step.body.steps[0].output is not None else valueless(step.body.steps[0])
        case model.Switch() | model.Try():
            candidates = branches(step)
        case _:
            return None
    return next((block for block in candidates if completes(block) and not _has_value(block)), None)


def _has_value(block: model.Block) -> bool:
    return block.value_of is not None or (bool(block.steps) and isinstance(block.steps[-1], model.Output))
