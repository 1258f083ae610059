"""Who asks a hub: its database, a worker of this process if there is one, and in whose name."""

from __future__ import annotations

import copy
from typing import Self

from perdure.compiler import encode
from perdure.engine import audit
from perdure.engine.definitions import unknown
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask, carry_out
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Definition, Request
from perdure.engine.worker import Worker


class Caller:
    """What the parts of a client share. What it does as an operator is audited under the name ``actor``."""

    def __init__(self, store: Store, worker: Worker | None = None) -> None:
        self.store = store
        self.worker = worker
        self.actor = audit.LOCAL
        self._programs = worker.programs if worker is not None else Programs(store.program)

    def acting(self, actor: str) -> Self:
        """This client on behalf of somebody. Raises ``UserError`` for what is no name."""
        other = copy.copy(self)
        other.actor = audit.valid_actor(actor)
        return other

    def _row(self, instance_id: str) -> Instance:
        found = self.store.instance(instance_id)
        if found is None:
            raise missing(instance_id)
        return found

    def _linked(self, digest: str) -> LinkedProgram:
        try:
            return self._programs.get(digest)
        except encode.UnknownProgram as error:
            raise unusable(error) from error

    def _definition(self, name: str, version: str | None) -> Definition:
        found = self.store.look_up([], [(name, version)], []).definitions.get((name, version))
        if found is None:
            raise unknown(self.store, name, version)
        return found

    def _carry_out(self, ask: Ask) -> Request | None:
        if self.worker is None or not self._is_for_us(ask):
            return carry_out(self.store, ask)
        self.worker.submit(ask)
        return ask.result()

    def _is_for_us(self, ask: Ask) -> bool:
        """Whether it is for the owner in this process, who is faster than the database."""
        return self.worker is not None and self.worker.owns(ask.message.instance)


def missing(instance_id: str) -> NotFound:
    """Nobody has this id."""
    return NotFound(f"there is no instance {instance_id!r}")


def unusable(error: encode.UnknownProgram) -> Conflict:
    """The refusal of what needs a Program that this release cannot run."""
    problem = Conflict(str(error), hint="deploy the definition again with this release")
    problem.code = "program"
    return problem
