"""Instructions that speak to other instances and to entities, and those that undo.

A ``Lock`` scope holds entities while its body runs, and gives them back on every way out. A ``Saga``
scope keeps *compensations*: where to start, and a frame of copied slots. When an error or a cancellation
leaves it, they run, the last registered first, each as a fiber of its own that starts with its frame
at ``body`` and ends with ``EndBranch``; nothing cancels them. Then the error goes on. When the scope is
left well, its compensations go to the saga around it, if there is one: a part is undone with the whole.
"""

from __future__ import annotations

from perdure.compiler.ir_base import Amount, Code, Instruction, Target


class CallWorkflow(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Start a child instance and wait for its output.

    ``version`` is a range, None for what the deployment of this Program has written down. Without
    ``instance_id`` the id is made from this instance's and the step's path.
    """

    slot: str
    workflow: str
    version: str | None
    arguments: Code | None
    instance_id: Code | None
    if_exists: str
    on_parent_close: str
    tags: tuple[tuple[str, Code], ...]


class StartWorkflow(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Start an instance that nobody waits for, at a time if ``start_at`` is given; the slot gets its id."""

    slot: str
    workflow: str
    version: str | None
    arguments: Code | None
    instance_id: Code | None
    if_exists: str
    start_at: Code | None
    tags: tuple[tuple[str, Code], ...]


class CallEntity(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Have an entity carry out an operation and wait for its result."""

    slot: str
    entity: Target
    operation: str
    arguments: Code | None


class SignalEntity(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Have an entity carry out an operation that nobody waits for, at a time if ``at`` is given."""

    entity: Target
    operation: str
    arguments: Code | None
    at: Code | None


class EnterLock(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Open a ``Lock`` scope: wait until all entities are held, then go on.

    They are ``targets``, or those named in the list ``listed`` as ``Type@key``, sorted by id, each once.
    ``timeout`` bounds this wait alone: when it passes, nothing is held and ``perdure.Timeout`` is raised.
    """

    targets: tuple[Target, ...]
    listed: Code | None
    timeout: Amount | None


class LeaveLock(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Close a ``Lock`` scope and release what it holds: its body has ended well."""


class EnterSaga(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Open a ``Saga`` scope. ``on_failure`` of an undo: ``continue`` with the others, or ``stop``."""

    on_failure: str


class LeaveSaga(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Close a ``Saga`` scope: its body has ended well."""


class Register(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Keep a compensation of this step in the nearest saga around it, in whichever fiber that is open.

    It starts at ``body``; the step goes on at ``end``. Its frame has copies of the slots ``captures``, the
    variables in ``vars_slot`` if there is one, and in ``step_slot`` ``{idempotency_key, attempt}``: the
    ``key`` or else the step's own, and the attempt that runs. It takes the place of an earlier one of the
    same path, and counts as the last.
    """

    key: Code | None
    step_slot: str
    vars_slot: str | None
    captures: tuple[str, ...]
    body: int
    end: int


class SendEvent(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Send an event to another instance; never fails, and waits for nothing."""

    to: Code
    event: str
    arguments: Code | None


class Cancel(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Ask another instance to end; never fails, and waits for nothing."""

    instance: Code
    reason: Code | None
