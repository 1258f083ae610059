"""Every status with every command: nothing is undefined, and the docs say what comes of it."""

from __future__ import annotations

from typing import cast

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store.memory import MemoryStore
from perdure.engine.worker import Worker
from tests.checkout import ROOT
from tests.engine.commands import COMMANDS, PENDING, STATUSES, asked, given, table

PAGE = ROOT / "docs" / "commands.md"


def documented() -> str:
    """The table of the page."""
    lines = PAGE.read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("|"))


def cells() -> dict[tuple[str, str], str]:
    """What the page says, by command and status."""
    rows = [line.strip("|\n").split("|") for line in documented().splitlines()]
    header, body = [each.strip() for each in rows[0][1:]], rows[2:]
    return {
        (row[0].strip(), column): cell.strip()
        for row in body
        for column, cell in zip(header, row[1:], strict=True)
    }


def test_the_page_has_what_comes_of_every_command() -> None:
    """Asked for beside the owner, and carried out in its next turn."""
    assert documented() == table()


@pytest.mark.parametrize("column", [each for each in STATUSES if each != PENDING])
def test_the_process_of_the_owner_answers_the_same(column: str) -> None:
    """A client there is told what a client beside it is told."""
    hub, ids = given(column)
    store = cast("MemoryStore", hub.store)
    store.kill(hub.worker)
    activities = Registry()
    activities.add("Work", hub.work)
    known = cells()
    with Worker(store, activities) as worker:
        client = Client(store, worker)
        for name in COMMANDS:
            told = asked(client, name, ids[name])
            said = known[name, column]
            refused = said[:1].isdigit() or said == "nothing to do"
            assert told == (said if refused else "done"), name
