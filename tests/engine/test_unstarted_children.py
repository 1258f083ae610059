"""Children that have not begun when they end, or when nobody waits for them any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure.engine.programs import Programs
from tests.engine.driver import Hub
from tests.engine.test_children import caught, child_of

HEAD = "dsl: perdure/1\nversion: 1.0.0\n"
PLACED = f"""{HEAD}name: placed
concurrency: {{ key: all, limit: 1 }}
do: [ {{ e: {{ wait_for_event: Go, timeout: never }} }} ]
"""


@pytest.fixture
def waits_for_place(hub: Hub) -> str:
    """A child that has no place, of a parent ``i``; returns its id."""
    hub.deploy(PLACED)
    hub.start("do: [ { c: { call_workflow: placed } } ]", id="first")
    hub.run()
    hub.start(caught("call_workflow: placed, on_parent_close: terminate"))
    hub.run()
    assert hub.status(child_of(hub)) == "Pending"
    return child_of(hub)


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("end", ["terminate", "cancel"])
def test_the_parent_hears_of_its_end(hub: Hub, waits_for_place: str, end: str, crashes: bool) -> None:
    """Though it ends while it waits for a place."""
    getattr(hub, end)(id=waits_for_place)
    if crashes:
        hub.crash()
    hub.run()
    assert hub.instance(waits_for_place).status.ended
    assert hub.output()["type"] == "perdure.SubWorkflowFailed"


@pytest.mark.parametrize("crashes", [False, True])
def test_it_is_closed_with_its_parent(hub: Hub, waits_for_place: str, crashes: bool) -> None:
    """It never begins."""
    hub.terminate()
    if crashes:
        hub.crash()
    hub.run()
    assert hub.status(waits_for_place) == "Terminated"
    hub.raise_event("Go", id=child_of(hub, "first"))
    hub.run()
    assert hub.status("first") == "Completed"
    assert hub.kinds(waits_for_place) == ["ExecutionTerminated"]


@pytest.fixture
def parked(hub: Hub) -> Iterator[str]:
    """A child that cannot begin since its Program cannot be had, of a parent ``i``; returns its id."""
    digest = hub.deploy(HEAD + "name: lost\ndo: [ { w: { wait: 1h } } ]").digest
    hub.start(caught("call_workflow: lost, on_parent_close: terminate"))
    while hub.store.instance("i") is None or not hub.kinds() or hub.store.instance(child_of(hub)) is None:
        hub.round()
    programs = hub.store._programs  # type: ignore[attr-defined]
    program = programs.pop(digest)
    hub.programs = Programs(hub.store.program)
    hub.run()
    assert (hub.status(child_of(hub)), hub.kinds(child_of(hub))) == ("Suspended", [])
    yield child_of(hub)
    programs[digest] = program


@pytest.mark.parametrize("crashes", [False, True])
def test_the_parent_of_a_parked_one_hears_of_its_end(hub: Hub, parked: str, crashes: bool) -> None:
    """Though there is no history to read that from."""
    if crashes:
        hub.crash()
    hub.terminate(id=parked)
    hub.run()
    assert hub.status(parked) == "Terminated"
    assert hub.output()["type"] == "perdure.SubWorkflowFailed"


@pytest.mark.parametrize("crashes", [False, True])
def test_a_parked_one_is_closed_with_its_parent(hub: Hub, parked: str, crashes: bool) -> None:
    """As any other child."""
    if crashes:
        hub.crash()
    hub.terminate()
    hub.run()
    assert hub.status(parked) == "Terminated"
