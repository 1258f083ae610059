"""At most so many instances of a key at a time: the others wait, and begin in order."""

from __future__ import annotations

import pytest

from perdure.engine.client import Client
from perdure.engine.errors import UserError
from tests.engine.driver import Hub, compiled

HEAD = "dsl: perdure/1\nname: flow\nversion: 1.0.0\n"
GATED = (
    HEAD
    + """\
concurrency: { key: "${ input }", limit: 1 }
do:
  - e: { wait_for_event: Go, timeout: never }
  - return: ${ e }
"""
)


class Places:
    """A hub with a client that starts instances by their names."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.client = Client(hub.store)

    def start(self, *names: str, key: str = "k", text: str = GATED) -> None:
        """Start instances one after the other."""
        for name in names:
            self.client.run(compiled(text).program, key, id=name)
            self.hub.clock.now += 1
        self.hub.run()

    def go(self, name: str) -> None:
        """Let an instance end."""
        self.hub.raise_event("Go", id=name)
        self.hub.run()

    def running(self) -> list[str]:
        """The instances that go on."""
        return sorted(each["id"] for each in self.client.instances(statuses=["Running"])["items"])


@pytest.fixture
def places(hub: Hub) -> Places:
    """A hub where nothing has started."""
    return Places(hub)


def test_one_begins_when_another_ends(places: Places) -> None:
    """In the order in which they were started."""
    places.start("c", "a", "b")
    places.start("other", key="m")
    assert places.running() == ["c", "other"]
    places.go("c")
    assert places.running() == ["a", "other"]
    places.go("a")
    assert places.running() == ["b", "other"]


def test_a_crash_changes_nothing(places: Places) -> None:
    """Who has a place is counted from the rows."""
    places.start("a", "b", "c")
    places.hub.crash()
    places.hub.run()
    assert places.running() == ["a"]
    places.hub.raise_event("Go", id="a")
    places.hub.crash()
    places.hub.run()
    assert places.running() == ["b"]


@pytest.mark.parametrize("end", ["terminate", "fail"])
def test_however_an_instance_ends(places: Places, end: str) -> None:
    """Its place is free."""
    text = GATED.replace("timeout: never", "timeout: 1h")
    places.start("a", "b", text=text)
    if end == "terminate":
        places.hub.terminate(id="a")
        places.hub.run()
    else:
        places.hub.advance(3601)
    assert places.running() == ["b"]


def test_one_that_waits_may_be_terminated(places: Places) -> None:
    """It never begins, and those behind it do."""
    places.start("a", "b", "c")
    places.hub.terminate(id="b")
    places.hub.run()
    assert (places.hub.status("b"), places.hub.leftovers("b")) == ("Terminated", [])
    places.go("a")
    assert places.running() == ["c"]


def test_events_come_before_the_start(places: Places) -> None:
    """And are heard when it begins."""
    places.start("a", "b")
    places.go("b")
    assert places.hub.status("b") == "Pending"
    places.go("a")
    assert places.hub.output("b") is None


@pytest.mark.parametrize("how", ["rewind", "restart"])
def test_one_that_goes_on_after_its_end_takes_a_place_at_once(places: Places, how: str) -> None:
    """It may be one too many for a while; nobody else begins until there are fewer than the limit."""
    places.start("a", "b", "c", text=GATED)
    places.hub.terminate(id="a")
    places.hub.run()
    assert places.running() == ["b"]
    getattr(places.client, how)("a")
    places.hub.run()
    assert places.running() == ["a", "b"]
    places.go("b")
    assert places.running() == ["a"]
    places.go("a")
    assert places.running() == ["c"]


def test_a_restart_under_another_id_waits_for_its_place(places: Places) -> None:
    """With the key of its own input; under its own id an instance keeps the key that it began with."""
    places.start("a")
    places.go("a")
    places.start("b", key="m")
    places.client.restart("a", "m", id="other")
    places.client.restart("a", "m")
    places.hub.run()
    rows = {id_: places.hub.store.instance(id_) for id_ in ("a", "other")}
    assert {id_: (row.concurrency_key, row.waits) for id_, row in rows.items() if row} == {
        "a": ("k", False),
        "other": ("m", True),
    }


@pytest.mark.parametrize("how", ["suspended", "renewed"])
def test_a_place_is_kept_to_the_end(places: Places, how: str) -> None:
    """By an instance that is suspended, and by all generations of one."""
    text = GATED.replace(
        "return: ${ e }", "if: ${ workflow.generation < 3 }\n    then: [ continue_as_new: { input: k } ]"
    )
    places.start("a", "b", text=text)
    if how == "suspended":
        places.hub.suspend(id="a")
        places.hub.run()
    else:
        places.go("a")
        assert places.hub.instance("a").generation == 2
    assert places.hub.status("b") == "Pending"


def test_children_wait_as_well(places: Places) -> None:
    """Whoever starts an instance of the workflow; their parents wait with them."""
    hub = places.hub
    hub.activity("Work", lambda n: n)
    hub.manual = True
    child = HEAD.replace("flow", "child") + (
        "concurrency: { key: all, limit: 2 }\ndo: [ s: { call: Work, with: '${ input }' }, return: '${ s }' ]"
    )
    parent = HEAD.replace("flow", "parent") + (
        "do: [ all: { fan_out: [1, 2, 3, 4, 5], do: [ c: { call_workflow: child, with: '${ item }' } ] },"
        " return: '${ all.results }' ]"
    )
    hub.deploy(child)
    places.client.run(compiled(parent).program, id="p")
    hub.run()
    for number in range(5):
        if number == 2:
            hub.crash()
            hub.run()
            hub._start([hub._work(row) for row in hub.claim()])
        assert len(hub.open) == min(2, 5 - number)
        hub.finish(hub.open[0])
        hub.run()
    assert hub.output("p") == [1, 2, 3, 4, 5]


def test_it_is_said_what_an_instance_waits_for(places: Places) -> None:
    """With its key, and the line of the file."""
    places.start("a", "b")
    (found,) = places.client.waiting("b")
    assert (found["kind"], found["name"], found["line"]) == ("place", "k", 4)
    assert found["note"] == "as many instances as may run at once for this key do: 1"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('concurrency: { key: "${ input }", limit: "${ 1 - 1 }" }', "a limit of 0 lets nothing run"),
        ('concurrency: { key: "${ input.a }", limit: 1 }', "flow.perdure.yaml:4:"),
    ],
)
def test_a_start_that_cannot_be_placed_is_refused(places: Places, line: str, told: str) -> None:
    """There is no instance then."""
    text = GATED.replace('concurrency: { key: "${ input }", limit: 1 }', line)
    with pytest.raises(UserError) as raised:
        places.start("a", text=text)
    assert told in str(raised.value)
    assert raised.value.code == "concurrency"
    assert places.hub.store.instance("a") is None
