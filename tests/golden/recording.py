"""Golden histories are recorded: a scenario is run on the tests' hub, and all it has stored is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from perdure.compiler.encode import encode
from perdure.engine.client import Client
from perdure.engine.entities import Call, Done, LinkedEntity, Undone
from perdure.engine.linked import LinkedProgram
from perdure.engine.replay import replay
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Message
from tests.engine.driver import Hub, VirtualClock, compiled, deployment, whole, whole_entity
from tests.golden.histories import RELEASE, Golden, History, Operation, Turn, path_of, pinned, sum_of
from tests.golden.scenarios import SCENARIOS, offer

PAYLOADS = ("input", "output", "error")


class Overhearing(MemoryStore):
    """A store that keeps the text of one message of each kind and with each set of fields."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.heard: dict[str, str] = {}
        """Texts of messages, by what they have in them."""

    def _receive(self, message: Message) -> None:
        super()._receive(message)
        fields = msgspec.json.decode(message.event, type=dict[str, msgspec.Raw])
        self.heard.setdefault(" ".join([message.kind, *fields]), message.event)


class Recording(Hub):
    """A hub that knows what it was given to run."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.overhearing = Overhearing(clock)
        super().__init__(self.overhearing, clock=clock)
        self.documents: list[str] = []

    def start(self, text: str | LinkedProgram, input: Any = None, *, id: str = "i") -> str:
        """As ever, and keep the text."""
        if isinstance(text, str):
            self._keep(whole(text))
        return super().start(text, input, id=id)

    def deploy(self, text: str) -> LinkedProgram:
        """The same; a version may be whatever it likes."""
        self._keep(whole(text))
        program = compiled(text)
        Client(self.store).deploy([deployment(program)], allow_breaking=True)
        return program

    def entity(self, text: str) -> Any:
        """The same."""
        self._keep(whole_entity(text))
        return super().entity(text)

    def _keep(self, text: str) -> None:
        if text not in self.documents:
            self.documents.append(text)


def record(name: str) -> Golden:
    """Run a scenario and keep what it leaves."""
    hub = Recording()
    offer(hub)
    with _operations() as operations:
        SCENARIOS[name](hub)
    rows = sorted(hub.overhearing._instances.values(), key=lambda row: row.id)
    histories: list[History] = []
    values: dict[str, str] = {}
    for row in rows:
        hub.check(row.id)
        for generation in range(1, row.generation + 1):
            turns = hub.rows(row.id, generation)
            if turns:
                digest = pinned(turns, row.digest)
                total = sum_of(replay(hub.programs.get(digest), row.id, turns))
                kept = [Turn(each.first_seq, each.at, each.events, sorted(each.values)) for each in turns]
                for turn in turns:
                    values |= turn.values
                histories.append(History(row.id, generation, digest, kept, total))
    assert histories, f"{name} has left no history"
    entities = {each.program: each.entity for each in operations}
    return Golden(
        about=SCENARIOS[name].__doc__ or "",
        release=RELEASE,
        documents=hub.documents,
        programs={each: _program(hub, each) for each in sorted({one.program for one in histories})},
        entities={each: encode(entity.program) for each, entity in entities.items()},
        values=dict(sorted(values.items())),
        histories=histories,
        instances={row.id: _shown(hub, row) for row in rows},
        operations=[Operation(each.program, each.state, each.call, each.outcome) for each in operations],
        messages=[text for _, text in sorted(hub.overhearing.heard.items())],
    )


def write(name: str, golden: Golden, *, force: bool) -> None:
    """Keep a golden. Raises ``FileExistsError`` for one that is there, unless it is forced."""
    path = path_of(f"{golden.release}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(golden), indent=1)
    with path.open("wb" if force else "xb") as file:
        file.write(text + b"\n")


class _Performed(msgspec.Struct):
    entity: LinkedEntity
    program: str
    state: Any
    call: Call
    outcome: Done | Undone


@contextmanager
def _operations() -> Iterator[list[_Performed]]:
    """What entities of YAML are asked in the meantime."""
    found: list[_Performed] = []
    right = LinkedEntity.operate

    def operate(self: LinkedEntity, state: Any, call: Call) -> Done | Undone:
        outcome = right(self, state, call)
        found.append(_Performed(self, self.digest, state, call, outcome))
        return outcome

    LinkedEntity.operate = operate  # type: ignore[method-assign]
    try:
        yield found
    finally:
        LinkedEntity.operate = right  # type: ignore[method-assign]


def _program(hub: Hub, digest: str) -> str:
    text = hub.store.program(digest)
    assert text is not None, "what has run is stored"
    return text


def _shown(hub: Hub, row: Any) -> dict[str, Any]:
    """What people see of an instance."""
    values = hub.store.payloads(row.id)
    shown = {
        name: getattr(row, name)
        for name in (
            "name",
            "version",
            "digest",
            "generation",
            "custom_status",
            "reason",
            "tags",
            "parent_id",
        )
        if getattr(row, name)
    }
    return {"status": str(row.status), **shown, **{name: values[name] for name in PAYLOADS if name in values}}
