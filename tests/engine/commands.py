"""Every command on an instance of every status: how to get there, what to ask, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from perdure.compiler.encode import encode
from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.errors import PerdureError
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.server.problems import status_of
from tests.engine.driver import Hub, compiled

ORDER = """\
dsl: perdure/1
name: order
version: {version}
events: {{ Go: {{}} }}
queries: {{ size: "${{ input.size }}" }}
do:
  - work: {{ call: Work, with: "${{ input.size }}" }}
  - go: {{ wait_for_event: Go, timeout: 1h }}
  {more}- return: ${{ go }}
"""
"""Works, waits for an event and ends with it. 1.1.0 has one step more behind the wait."""

Command = Callable[[Client, str], Any]


def _start(client: Client, id: str, **more: Any) -> Any:
    return client.start("order@1.0.0", {"size": 1}, id=id, **more)


COMMANDS: dict[str, Command] = {
    "start": _start,
    "start, `reuse`": lambda client, one: _start(client, one, if_exists="reuse"),
    "start, `replace_ended`": lambda client, one: _start(client, one, if_exists="replace_ended"),
    "event": lambda client, one: client.raise_event(one, "Go", 7),
    "query": lambda client, one: client.query(one, "size"),
    "suspend": lambda client, one: client.suspend(one),
    "resume": lambda client, one: client.resume(one),
    "cancel": lambda client, one: client.cancel(one),
    "terminate": lambda client, one: client.terminate(one),
    "resolve": lambda client, one: client.resolve(one, "go", 7),
    "migrate": lambda client, one: client.migrate(one, "1.1.0"),
    "rewind": lambda client, one: client.rewind(one),
    "restart": lambda client, one: client.restart(one),
    "fork": lambda client, one: client.fork(one, "work", id=f"{one}-fork"),
    "purge": lambda client, one: client.purge(one),
}
"""By the name of the row."""


# -- statuses --------------------------------------------------------------------------------------


class Shop(Hub):
    """Both versions are deployed; the activity fails while it is ``broken``."""

    broken = False

    def __init__(self) -> None:
        super().__init__()
        self.activity("Work", self.work)
        self.deploy(ORDER.format(version="1.1.0", more="- later: { value: 1 }\n  "))
        self.deploy(ORDER.format(version="1.0.0", more=""))

    def work(self, size: int) -> int:
        """What it is given."""
        if self.broken:
            raise ActivityError("down", type="Down", retryable=False)
        return size


def _pending(hub: Shop, ids: Sequence[str]) -> None:
    for one in ids:
        _start(Client(hub.store), one)


def _running(hub: Shop, ids: Sequence[str]) -> None:
    _pending(hub, ids)
    hub.run()


def _failed(hub: Shop, ids: Sequence[str]) -> None:
    """Its activity works again afterwards."""
    hub.broken = True
    _running(hub, ids)
    hub.broken = False


def _parked(hub: Shop, ids: Sequence[str]) -> None:
    """Its program is replaced by another one, as only a fault or another hand could do it."""
    _running(hub, ids)
    other = compiled(ORDER.format(version="1.0.0", more="").replace("call: Work", "call: Other"))
    cast("MemoryStore", hub.store)._programs[hub.instance(ids[0]).digest] = encode(other.program)
    hub.programs = Programs(hub.store.program)
    hub.crash()
    for one in ids:
        hub.raise_event("Go", id=one)
    hub.run()


def _after(command: Command) -> Callable[[Shop, Sequence[str]], None]:
    def arrange(hub: Shop, ids: Sequence[str]) -> None:
        _running(hub, ids)
        for one in ids:
            command(Client(hub.store), one)
        hub.run()

    return arrange


PENDING = "`Pending`"
STATUSES: dict[str, tuple[str, Callable[[Shop, Sequence[str]], None]]] = {
    "unknown": ("gone", lambda hub, ids: None),
    PENDING: ("Pending", _pending),
    "`Running`": ("Running", _running),
    "`Suspended`": ("Suspended", _after(COMMANDS["suspend"])),
    "parked": ("Suspended", _parked),
    "`Completed`": ("Completed", _after(COMMANDS["event"])),
    "`Failed`": ("Failed", _failed),
    "`Canceled`": ("Canceled", _after(COMMANDS["cancel"])),
    "`Terminated`": ("Terminated", _after(COMMANDS["terminate"])),
}
"""By the name of the column: the status, and how several instances get there.

``parked`` is ``Suspended`` because the history does not replay.
"""


def given(column: str) -> tuple[Shop, dict[str, str]]:
    """A hub with an instance of this status for each command, by the command's name."""
    status, arrange = STATUSES[column]
    hub = Shop()
    ids = {name: f"i{number}" for number, name in enumerate(COMMANDS)}
    arrange(hub, list(ids.values()))
    assert {status_now(hub, one) for one in ids.values()} == {status}
    return hub, ids


# -- outcomes --------------------------------------------------------------------------------------


def status_now(hub: Hub, id: str) -> str:
    """The committed status."""
    found = hub.store.instance(id)
    return "gone" if found is None else str(found.status)


def asked(client: Client, name: str, id: str) -> str:
    """What the client is told: done, nothing to do, or what is wrong."""
    try:
        answer = COMMANDS[name](client, id)
    except PerdureError as error:
        return f"{status_of(error)} `{error.code}`"
    return "done" if not isinstance(answer, dict) or answer.get("changed", True) else "nothing to do"


def outcome(hub: Hub, name: str, id: str) -> str:
    """What comes of a command, in a few words."""
    before = status_now(hub, id)
    told = asked(Client(hub.store), name, id)
    hub.run()
    after = status_now(hub, id)
    if told != "done":
        assert before in {after, "Pending"}, "what is refused changes nothing"
        return told
    if name == "query":
        return "answers"
    if name == "fork":
        return f"another one: {status_now(hub, f'{id}-fork')}"
    return after if after != before else f"stays {after}"


def table() -> str:
    """The table of the docs: a row for each command, a column for each status."""
    columns = []
    for column in STATUSES:
        cells = []
        hub, ids = given(column)
        for name, one in ids.items():
            if column == PENDING:  # what waits for its first turn has it with the command before
                hub, _ = given(column)
            cells.append(outcome(hub, name, one))
        columns.append(cells)
    rows = [
        f"| {name} | " + " | ".join(cells) + " |"
        for name, cells in zip(COMMANDS, zip(*columns, strict=True), strict=True)
    ]
    header = "| | " + " | ".join(STATUSES) + " |"
    return "\n".join([header, "| --- " * (len(STATUSES) + 1) + "|", *rows]) + "\n"
