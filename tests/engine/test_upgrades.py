"""``continue_as_new`` onto another version."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.client import Client, Deployment
from perdure.engine.events import ContinueAsNew, ExecutionStarted
from perdure.engine.programs import Programs
from tests.engine.driver import Hub, compiled

HEAD = "dsl: perdure/1\nname: loop\nversion: %s\n"
AGAIN = """
do:
  - go: { wait_for_event: Go, timeout: never }
  - continue_as_new: { input: "${ go }", version: %s }
"""
DONE = 'do: [ return: "%s took ${ string(input) } in ${ workflow.version }" ]'


def deploy(hub: Hub, version: str, text: str, header: str = "") -> None:
    """Deploy a version of ``loop``."""
    source = HEAD % version + header + text
    program = compiled(source).program
    entry = Deployment(name="loop", version=version, digest=source, program=program, source=source)
    Client(hub.store).deploy([entry], allow_breaking=True)


def begin(hub: Hub, version: str = "1.0.0", wanted: str = "latest", header: str = "") -> Client:
    """An instance of a version that waits before it goes on."""
    deploy(hub, version, AGAIN % wanted, header)
    client = Client(hub.store)
    client.start(f"loop@{version}", id="i")
    hub.run()
    return client


def go(hub: Hub, value: Any = 7) -> None:
    """Let the generation end."""
    hub.raise_event("Go", value)
    hub.run()


@pytest.mark.parametrize(
    ("wanted", "deployed", "ran"),
    [
        ("latest", ["1.1.0", "1.10.0", "2.0.0"], "1.10.0"),
        ("latest", ["2.0.0"], "1.0.0"),
        ("latest", [], "1.0.0"),
        ("pinned", ["1.1.0"], "1.0.0"),
        ("^2", ["1.1.0", "2.0.0", "2.1.0"], "2.1.0"),
        ("1.1.0", ["1.1.0", "1.2.0"], "1.1.0"),
        ("^3", ["2.0.0"], "1.0.0"),
    ],
)
def test_the_next_generation_runs_the_version_that_is_wanted(
    hub: Hub, wanted: str, deployed: list[str], ran: str
) -> None:
    """Or the same one, where there is none."""
    client = begin(hub, wanted=wanted)
    for version in deployed:
        deploy(hub, version, DONE % version)
    go(hub)
    row = client.instance("i")
    assert (row["generation"], row["version"]) == (2, ran)
    assert row["digest"] == client.definition("loop", ran)["program_digest"]
    assert row["output"] == (None if ran == "1.0.0" else f"{ran} took 7 in {ran}")


def test_the_choice_is_recorded_and_replayed(hub: Hub) -> None:
    """The history says what was wanted and what was chosen; a newer version changes nothing any more."""
    begin(hub)
    deploy(hub, "1.1.0", AGAIN % "latest")
    go(hub)
    deploy(hub, "1.2.0", DONE % "1.2.0")
    hub.crash()
    hub.run()
    ended = [each for each in hub.events(generation=1) if isinstance(each, ContinueAsNew)]
    started = [each for each in hub.events() if isinstance(each, ExecutionStarted)]
    assert [each.version for each in ended] == ["latest"]
    assert [(each.version, each.upgrade) for each in started] == [("1.1.0", None)]
    go(hub, 8)
    assert hub.output() == "1.2.0 took 8 in 1.2.0"


def test_a_crash_before_the_choice_loses_nothing(hub: Hub) -> None:
    """The start waits in the inbox, and is chosen for by whoever comes next."""
    begin(hub)
    deploy(hub, "1.1.0", DONE % "1.1.0")
    hub.raise_event("Go", 7)
    while hub.instance().generation == 1:
        hub.round()
    assert (hub.instance().version, hub.rows()) == ("1.0.0", [])
    hub.crash()
    hub.run()
    assert hub.output() == "1.1.0 took 7 in 1.1.0"


@pytest.mark.parametrize("way", ["terminate", "suspend"])
def test_who_waits_for_the_choice_hears_an_order(hub: Hub, way: str) -> None:
    """It comes before the generation, and is carried out."""
    begin(hub)
    deploy(hub, "1.1.0", DONE % "1.1.0")
    hub.raise_event("Go", 7)
    while hub.instance().generation == 1:
        hub.round()
    getattr(hub, way)()
    hub.run()
    assert hub.status() == ("Terminated" if way == "terminate" else "Suspended")
    if way == "suspend":
        hub.resume()
        hub.run()
        assert hub.output() == "1.1.0 took 7 in 1.1.0"


NARROW = "input: { schema: { type: [string, 'null'] } }\n"
WIDE = "input: { schema: {} }\n"


def test_an_input_that_does_not_fit_blocks_the_upgrade(hub: Hub) -> None:
    """The instance stays and says so, until one fits."""
    client = begin(hub, header="tags: { team: a }\n")
    deploy(hub, "1.1.0", DONE % "1.1.0", NARROW)
    go(hub)
    row = client.instance("i")
    assert (row["version"], row["generation"]) == ("1.0.0", 2)
    assert row["tags"] == {"team": "a", "upgrade_blocked": "1.1.0"}
    assert client.instances(tags={"upgrade_blocked": "1.1.0"})["items"] != []
    assert [line.level for line in hub.logs] == ["warning"]
    assert "7 is no string or null" in hub.logs[0].message
    go(hub, "text")
    assert (hub.output(), client.instance("i")["tags"]) == ("1.1.0 took text in 1.1.0", {"team": "a"})


def test_a_retired_version_is_not_moved_to(hub: Hub) -> None:
    """And one that blocked before blocks no more."""
    client = begin(hub)
    deploy(hub, "1.1.0", DONE % "1.1.0", NARROW)
    go(hub)
    client.retire("loop", "1.1.0")
    go(hub)
    row = client.instance("i")
    assert (row["version"], row["generation"], row["tags"]) == ("1.0.0", 3, {})


def test_a_version_that_cannot_be_run_here_blocks(hub: Hub) -> None:
    """What this release does not know is no reason to lose an instance."""
    client = begin(hub)
    deploy(hub, "1.1.0", DONE % "1.1.0")
    digest = client.definition("loop", "1.1.0")["program_digest"]
    programs = hub.store._programs  # type: ignore[attr-defined]
    text, programs[digest] = programs[digest], '{"ir": 999}'
    hub.programs = Programs(hub.store.program)
    go(hub)
    assert (client.instance("i")["version"], client.instance("i")["tags"]) == (
        "1.0.0",
        {"upgrade_blocked": "1.1.0"},
    )
    programs[digest] = text
    hub.programs = Programs(hub.store.program)
    go(hub)
    assert hub.output() == "1.1.0 took 7 in 1.1.0"


def test_what_was_brought_along_stays(hub: Hub) -> None:
    """An instance that does not run what is deployed has nothing to do with versions of its name."""
    deploy(hub, "1.1.0", DONE % "1.1.0")
    client = Client(hub.store)
    client.run(compiled(HEAD % "1.0.0" + AGAIN % "latest").program, id="i", queue="mine")
    hub.run()
    go(hub)
    assert (client.instance("i")["version"], client.instance("i")["generation"]) == ("1.0.0", 2)


def test_a_thousand_generations_that_wait_for_nothing(hub: Hub) -> None:
    """They are many a turn, though each may move."""
    again = "{ if: '${ input < 1000 }', then: [ { continue_as_new: { input: '${ input + 1 }' } } ] }"
    deploy(hub, "1.0.0", f"do: [ {again}, {{ return: done }} ]")
    Client(hub.store).start("loop", 1, id="i")
    hub.run()
    assert (hub.output(), hub.instance().generation) == ("done", 1000)
    assert hub.commits < 200


PARENT = """
do:
  - child: { call_workflow: loop, instance_id: c }
  - return: ${ child }
"""


def given_child(hub: Hub) -> None:
    """A parent ``i`` whose child ``c`` is between two generations."""
    deploy(hub, "1.0.0", AGAIN % "latest")
    hub.start(PARENT)
    hub.run()
    hub.raise_event("Go", 7, id="c")
    while hub.instance("c").generation == 1:
        hub.round()
    assert hub.rows("c") == []


@pytest.mark.parametrize("crash", [False, True])
def test_the_end_between_two_generations_is_told_to_the_parent(hub: Hub, crash: bool) -> None:
    """What the child has of its parent stands in the start that it has not heard yet."""
    given_child(hub)
    hub.terminate(id="c")
    if crash:
        hub.crash()
    hub.run()
    assert (hub.status("c"), hub.error()["type"]) == ("Terminated", "perdure.SubWorkflowFailed")


def test_the_end_of_the_parent_is_told_between_two_generations(hub: Hub) -> None:
    """The child knows that it is its parent's word."""
    given_child(hub)
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.status("c")) == ("Terminated", "Terminated")


def test_tasks_of_a_generation_that_ends_in_its_turn(hub: Hub) -> None:
    """They are closed with it, and the next generation is looked up first."""
    waits = "{ y: { wait_for_event: Go, timeout: never } }"
    race = f"{{ r: {{ race: {{ a: [ {{ x: {{ call: Call }} }} ], b: [ {waits} ] }} }} }}"
    deploy(hub, "1.0.0", f"do: [ {race}, {{ continue_as_new: {{ input: 1 }} }} ]")
    hub.activity("Call", lambda: None)
    hub.manual = True
    Client(hub.store).start("loop", id="i")
    hub.raise_event("Go")
    hub.run()
    assert hub.instance().generation == 2
