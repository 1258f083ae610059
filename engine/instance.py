"""An instance as its row tells it, and which status may follow which."""

from __future__ import annotations

import re
from enum import StrEnum
from zlib import crc32

import msgspec

from perdure.engine.errors import UserError

SLOTS = 256
"""Slots of a hub; the number is written in ``meta`` once and never changes."""

MAX_ID = 256
"""Characters of an id."""

_BAD_ID = re.compile(r"[/\\#?\x00-\x1f\x7f\ud800-\udfff]|^@")


class Status(StrEnum):
    """Where an instance stands. ``ContinuedAsNew`` is only ever the status of an ended generation."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"
    TERMINATED = "Terminated"
    CONTINUED_AS_NEW = "ContinuedAsNew"

    def __init__(self, text: str) -> None:
        self.ended = text in {"Completed", "Failed", "Canceled", "Terminated"}
        """Whether nothing follows it."""


ENDED = frozenset(status for status in Status if status.ended)

LEGAL = {
    Status.PENDING: {Status.RUNNING, Status.SUSPENDED} | ENDED,
    Status.RUNNING: {Status.RUNNING, Status.SUSPENDED} | ENDED,
    Status.SUSPENDED: {Status.RUNNING, Status.SUSPENDED} | ENDED,
    **{status: set[Status]() for status in ENDED},
}
"""The status transition table. What has ended changes only by an audited order to go on (``reopening``)."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """The narrow row of an instance. Times are microseconds since 1970 UTC.

    ``reason`` says why it is suspended (or was terminated). It is machine-readable where the engine
    wrote it: ``non_determinism: ...``. ``custom_status`` is JSON text. ``started_at`` is when the
    present generation began. ``suspect`` counts turns that were begun, since workers with its slot die,
    and not ended. ``purge_at`` is when the retention of its workflow lets it go. ``chunk_of`` is the
    generation of its parent whose ``fan_out`` it is a chunk of, None for what is no chunk.
    Of one ``concurrency_key`` at most ``concurrency_limit`` go on at a time; the others wait.
    """

    id: str
    slot: int
    name: str
    version: str
    digest: str
    status: Status
    execution: str
    generation: int = 1
    created_at: int
    started_at: int | None = None
    updated_at: int
    ended_at: int | None = None
    reason: str | None = None
    custom_status: str | None = None
    tags: dict[str, str] = {}
    parent_id: str | None = None
    suspect: int = 0
    purge_at: int | None = None
    chunk_of: int | None = None
    concurrency_key: str | None = None
    concurrency_limit: int = 0
    waits: bool = False


def slot_of(instance_id: str, slots: int = SLOTS) -> int:
    """The slot that an id hashes to: CRC-32 of its UTF-8, modulo the number of slots."""
    return crc32(instance_id.encode("utf-8", "surrogatepass")) % slots


def id_problem(instance_id: str) -> str | None:
    """Why a text is no id of an instance; None if it is one."""
    if not 0 < len(instance_id) <= MAX_ID:
        return f"an id has 1 to {MAX_ID} characters"
    if _BAD_ID.search(instance_id):
        return "an id has no '/', '\\', '#', '?' or control characters and does not begin with '@'"
    return None


def status_of(text: str) -> Status:
    """The status of this name, in any case of letters. Raises ``UserError``."""
    for status in Status:
        if status.lower() == text.lower():
            return status
    known = ", ".join(status for status in Status if status is not Status.CONTINUED_AS_NEW)
    raise UserError(f"there is no status {text!r}", hint=f"one of: {known}")
