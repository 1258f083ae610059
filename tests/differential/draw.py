"""What random calls are made of: small pools, so that they meet, and now and then what is not there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from perdure.engine.store.rows import AuditEntry, Message, Request
from tests.differential.stores import Model
from tests.engine.store.factory import BEGIN, SECOND, audited, message, request

T = TypeVar("T")

IDS = tuple("abcdef")
QUEUES = ("q", "r")
KEYS = tuple(f"sha256:{letter * 64}" for letter in "abc")
ENTITIES = ("@Counter@a", "@Counter@b", "@Box@a", "@Box@ab")
SCHEDULES = ("nightly", "hourly", "never")
TEXTS = ("", "x", "é", "漢字", "😀", "a\0b", "'; --", "%_", '"', "\n", "x" * 3000)


class Draw:
    """Chance, and what the reference knows."""

    def __init__(self, seed: str, model: Model) -> None:
        self.random = random.Random(f"differential {seed}")
        self.model = model
        self._workers = 0
        self._numbers = 0

    def some(self, percent: float) -> bool:
        """Whether it happens this time."""
        return self.random.random() * 100 < percent

    def sample(self, values: Sequence[T], percent: float) -> tuple[T, ...]:
        """Some of the values."""
        return tuple(value for value in values if self.some(percent))

    def maybe(self, value: T, percent: float) -> T | None:
        """The value, or None."""
        return value if self.some(percent) else None

    def number(self) -> int:
        """One that was not drawn before."""
        self._numbers += 1
        return self._numbers

    def now(self) -> int:
        """The stores' time."""
        return self.model.time()

    def time(self) -> int:
        """0, or a time around now."""
        return 0 if self.some(60) else max(BEGIN, self.now() + self.random.randint(-20, 40) * SECOND)

    def text(self) -> str:
        """Some text."""
        return self.random.choice(TEXTS)

    def new_worker(self) -> str:
        """An id that no worker has had."""
        self._workers += 1
        return f"w{self._workers}"

    def member(self) -> str:
        """A worker's id: mostly a live one's."""
        live = [one.id for one in self.model._workers.values() if one.state == "live"]
        if live and self.some(94):
            # The owner of the slots is who does most.
            owner = self.model._slots[0]
            return owner if owner is not None and self.some(50) else self.random.choice(live)
        return f"w{self.random.randint(1, max(self._workers, 1) + 1)}"

    def id(self) -> str:
        """An instance's id; most of them are there."""
        present = list(self.model._instances)
        return self.random.choice(present) if present and self.some(70) else self.random.choice(IDS)

    def execution(self, id_: str) -> str:
        """The present one of an instance, or one that it never had."""
        row = self.model._instances.get(id_)
        return row.execution if row is not None and self.some(90) else f"{id_}-e0"

    def task_key(self) -> tuple[str, int]:
        """A task's; mostly of one that is there."""
        present = list(self.model._tasks)
        if present and self.some(85):
            return self.random.choice(present)
        return f"{self.id()}-e0", self.random.randint(1, 9)

    def held_by(self, member: str) -> list[tuple[str, int]]:
        """Keys of tasks: those that a worker holds, and some that it may not hold."""
        mine = [key for key, task in self.model._tasks.items() if task.worker == member and self.some(70)]
        return mine + ([self.task_key()] if self.some(20) else [])

    def inbox_id(self) -> str:
        """A message's id; mostly of one that is there."""
        present = list(self.model._inbox)
        return self.random.choice(present) if present and self.some(90) else "unknown"

    def new_message(self, to: str | None = None, **more: Any) -> Message:
        """A message; its id is rarely one that was used."""
        id_ = self.inbox_id() if self.some(3) else f"m{self.number()}"
        fields: dict[str, Any] = {"due": self.time(), "held": self.some(15), **more}
        return message(id_, self.id() if to is None else to, **fields, **self.referring("event", more))

    def referring(self, name: str, more: dict[str, Any]) -> dict[str, Any]:
        """Now and then a text that refers to values."""
        return {} if name in more or self.some(80) else {name: str(self.sample(KEYS, 60))}

    def request(self, target: str = "i1") -> Request:
        """One of a few that may be repeated."""
        key = f"k{self.random.randint(1, 40)}" if self.some(60) else f"k{self.number()}"
        return request(key, target=target, answer=self.text(), fingerprint=self.random.choice("fg"))

    def audited(self, target: str, percent: float = 30) -> AuditEntry | None:
        """Maybe an entry of the audit."""
        entry = audited(
            target, actor=self.random.choice(["ann", "bob"]), action=self.random.choice(["x", "y"])
        )
        return self.maybe(entry, percent)
