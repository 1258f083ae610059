"""What operators do: suspend, rewind, restart, fork, migrate, deploy, purge, dead letters."""

from __future__ import annotations

from functools import partial
from typing import Any

from perdure.engine.activities import ActivityError, Context, Registry
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended, NotFound
from perdure.engine.events import TaskScheduled
from perdure.engine.instance import Status
from perdure.engine.store.rows import AuditQuery, InstanceQuery
from tests.crash_points.common import flow, start, tell, work
from tests.crash_points.member import SECOND
from tests.crash_points.points import Scenario, deployment
from tests.crash_points.world import World

LIFE = flow(
    "life",
    """
    do:
      - a: { call: Work, with: { label: a } }
      - one: { wait_for_event: Go, timeout: never }
      - nap: { wait: 5s }
      - two: { wait_for_event: Go, timeout: never }
      - return: [ "${ one }", "${ two }" ]
    """,
)


def audited(world: World, *actions: str) -> None:
    """Each act is written down once."""
    found = sorted(each.action for each in world.eye.audit(AuditQuery(limit=1000)))
    found = [each for each in found if not each.startswith("definition.")]
    assert found == sorted(actions), f"audit: {found}"


def life(world: World) -> None:
    """Suspended, told, resumed; another one is terminated while it is suspended."""
    start(world, "life")
    start(world, "life", id="j", outside=True)
    for id_ in ("i", "j"):
        world.ask(f"suspend {id_}", partial(Client.suspend, instance_id=id_, reason="r", request_key="s"),
                  again=False)  # fmt: skip
        world.until_status(id_, Status.SUSPENDED)
    tell(world, "Go", 1, "1", outside=True)
    world.rest(6 * SECOND)
    assert world.status("i") == "Suspended"
    world.ask("resume", partial(Client.resume, instance_id="i", request_key="r"), again=False)
    tell(world, "Go", 2, "2")
    world.ask("terminate", lambda client: client.terminate("j", request_key="t"), outside=True)
    world.ended("i", "j")
    assert (world.output("i"), world.status("j")) == ([1, 2], "Terminated")
    assert world.ledger.totals == {"a": 2}
    audited(world, "instance.suspend", "instance.suspend", "instance.resume", "instance.terminate")
    world.refused("to resume what has ended", lambda client: client.resume("j"), Ended)


SHAKY = flow(
    "shaky",
    """
    do:
      - a: { call: Work, with: { label: a, n: 1 } }
      - b: { call: Shaky, with: b }
      - c: { call: Work, with: { label: c, n: "${ a + b }" } }
      - return: [ "${ a }", "${ b }", "${ c }" ]
    """,
)


def shaky(world: World, registry: Registry) -> None:
    """``Shaky`` fails until it is mended."""
    work(world, registry)

    def one(label: str, ctx: Context) -> int:
        world.ledger.add(label, ctx)
        if "mended" not in world.notes:
            raise ActivityError("down", type="Down", retryable=False)
        return 2

    registry.add("Shaky", one)


def again(world: World) -> None:
    """What failed is rewound, then done all again, and forked."""
    start(world, "shaky")
    world.ended("i")
    assert world.error("i")["type"] == "Down"
    world.notes.append("mended")
    before = world.row("i").execution
    world.ask("rewind", lambda client: client.rewind("i", request_key="w")["id"])
    world.until(lambda: world.row("i").execution != before, "the rewind")
    world.ended("i")
    assert world.output("i") == [1, 2, 3]
    assert world.ledger.totals == {"a": 1, "b": 1, "c": 1}, "a rewind keeps the keys"
    assert world.row("i").generation == 1
    world.ask("restart", lambda client: client.restart("i", request_key="again")["id"], outside=True)
    world.until(lambda: world.row("i").generation == 2, "the restart")
    world.ended("i")
    assert world.output("i") == [1, 2, 3]
    assert world.ledger.totals == {"a": 2, "b": 2, "c": 2}
    world.ask("fork", lambda client: client.fork("i", "c", id="f", request_key="f")["id"])
    world.ended("f")
    assert world.output("f") == [1, 2, 3]
    assert world.ledger.totals == {"a": 2, "b": 2, "c": 2}, "a fork keeps the keys"
    audited(world, "instance.rewind", "instance.restart", "instance.fork")


STEPS = """
do:
  - first: { call: Work, with: { label: first } }
  - go: { wait_for_event: Go, timeout: never }
  - return: ${ workflow.version + ' old' }
"""
NEWER = STEPS.replace(
    "- return: ${ workflow.version + ' old' }",
    "- then: { call: Work, with: { label: then } }\n  - return: ${ workflow.version + ' new' }",
)
LOOP = """
do:
  - go: { wait_for_event: Go, timeout: never }
  - if: ${ workflow.generation < 2 }
    then: [ continue_as_new: { input: "${ go }", version: latest, events: carry } ]
  - return: "${ string(input) + string(go) + workflow.version }"
"""
PAY = flow("pay", STEPS)
PAY_NEXT = flow("pay", NEWER, version="1.1.0")
ROUND = flow("round", LOOP)
ROUND_NEXT = flow("round", LOOP.replace("string(input)", "'new ' + string(input)"), version="1.2.0")


def deploy(client: Client, *texts: str, **more: Any) -> list[str]:
    """Deploy; which of them are active."""
    found = client.deploy([deployment(text) for text in texts], **more)
    return [each["name"] for each in found if each["active"]]


def migrate(world: World) -> None:
    """One is migrated to a version that is deployed while it waits; another one goes on with the newest."""
    start(world, "pay")
    start(world, "round", 0, id="r", outside=True)
    world.until_event("i", TaskScheduled)
    assert world.ask("deploy", lambda client: deploy(client, PAY_NEXT, ROUND_NEXT)) == ["pay", "round"]
    world.ask("migrate", lambda client: client.migrate("i", "1.1.0", "why", request_key="m")["id"])
    world.until(lambda: world.row("i").version == "1.1.0", "the migration")
    tell(world, "Go", None, "1", outside=True)
    for number in (1, 2):
        tell(world, "Go", number, str(number), id="r")
    world.ended("i", "r")
    assert world.output("i") == "1.1.0 new"
    assert world.output("r") == "new 121.2.0"
    assert world.ledger.totals == {"first": 1, "then": 1}
    audited(world, "instance.migrate")


def deploying(world: World) -> None:
    """Versions come, are chosen, and retire, while instances start by name."""
    world.ask("deploy", lambda client: deploy(client, PAY, ROUND), outside=True)
    start(world, "pay", id="old")
    world.ask("deploy next", lambda client: deploy(client, PAY_NEXT, activate=False))
    world.ask("activate", lambda client: client.activate("pay", "1.1.0")["active"])
    start(world, "pay", id="new")
    world.ask("retire", lambda client: client.retire("pay", "1.1.0")["retired"], outside=True)
    world.refused("a retired one", lambda client: client.start("pay@1.1.0"), Conflict)
    world.ask("back", lambda client: client.activate("pay", "1.0.0")["active"], outside=True)
    start(world, "pay", id="again", outside=True)
    for id_ in ("old", "new", "again"):
        tell(world, "Go", None, id_, id=id_)
    world.ended("old", "new", "again")
    assert [world.output(each) for each in ("old", "new", "again")] == ["1.0.0 old", "1.1.0 new", "1.0.0 old"]
    assert world.ledger.totals == {"first": 3, "then": 1}
    actions = sorted(each.action for each in world.eye.audit(AuditQuery(limit=1000)))
    written = ["activate"] * 2 + ["deploy"] * 3 + ["retire"]
    assert actions == [f"definition.{each}" for each in written]
    # Asking again has no effect but to say how it is: the last act counts.
    world.asked = [
        each for each in world.asked if each.what not in {"activate", "retire", "deploy", "deploy next"}
    ]


KEPT = flow(
    "kept",
    """
    do:
      - a: { call: Work, with: { label: "${ 'a' + string(input) }", n: "${ input }" } }
      - c: { call_workflow: part, with: "${ a }" }
      - return: ${ c }
    """,
    header="retention: { completed: 20s, failed: 1h }\ntags: { team: sales }",
)
PART = flow(
    "part",
    'do: [ { b: { call: Work, with: { label: "${ \'b\' + string(input) }" } } }, { return: "${ input }" } ]',
)


def purging(world: World) -> None:
    """An ended family is purged, another one replaced, and the last one goes when its time has come."""
    for number, id_ in enumerate(("one", "two")):
        start(world, "kept", number, id=id_)
        world.ended(id_)
    world.asked.clear()
    world.ask("purge", lambda client: client.purge("one")["instances"], again=False, settled=(NotFound,))
    assert not world.status("one")
    assert not world.status("one:do.1.c")

    def replace(client: Client) -> str:
        found = client.start("kept", 5, id="two", if_exists="replace_ended", request_key="replace")
        return str(found["id"])

    world.ask("replace", replace, outside=True, again=False)
    world.until(lambda: world.ledger.done("b5") == 1)
    world.ended("two")
    assert world.output("two") == 5
    start(world, "kept", 6, id="three")
    world.ended("three")
    world.asked.clear()
    failed = {"tags": {"team": "sales"}, "statuses": ["failed"]}
    many = lambda client: client.purge_many(**failed)["instances"]  # noqa: E731
    assert world.ask("purge many", many, outside=True, again=False) == 0
    world.until(lambda: not world.eye.instances(InstanceQuery(limit=9)), "the end of the retention")
    labels = [f"{letter}{number}" for letter in "ab" for number in (0, 1, 5, 6)]
    assert world.ledger.totals == dict.fromkeys(labels, 1)
    counts = world.disk.counts()
    rows = {
        name: counts[name] for name in ("payloads", "history", "instances", "dead_letters") if counts[name]
    }
    assert not rows, f"I13: a purge has left {rows}"


TELLS = flow(
    "tells",
    """
    do:
      - send_event: { to: nobody, event: Go, with: early }
      - send_event: { to: nobody, event: Go, with: late }
      - return: 1
    """,
)


def retry(client: Client, number: int) -> dict[str, Any]:
    """Deliver a letter after all."""
    return client.retry_dead_letter(number, request_key=f"d{number}")


def letters(world: World) -> None:
    """What comes for nobody becomes letters; one is delivered when somebody is there, one is discarded."""
    start(world, "tells", id="t")
    world.ended("t")
    world.until(lambda: len(world.eye.dead_letters()) == 2, "two letters")
    late, early = world.eye.dead_letters()
    world.refused("to deliver it to nobody", lambda client: retry(client, late.ord), NotFound)
    start(world, "life", id="nobody")
    world.ask("retry", lambda client: retry(client, early.ord), outside=True)
    discard = lambda client: client.discard_dead_letter(late.ord, request_key="x")["number"]  # noqa: E731
    assert world.ask("discard", discard) == late.ord
    tell(world, "Go", 2, "2", id="nobody")
    world.ended("nobody")
    assert world.output("nobody") == ["early", 2]
    assert not world.eye.dead_letters()
    audited(world, "dead_letter.retry", "dead_letter.discard")


SCENARIOS = (
    Scenario("life", life, (LIFE,), work),
    Scenario("again", again, (SHAKY,), shaky),
    Scenario("migrate", migrate, (PAY, ROUND), work),
    Scenario("deploy", deploying, (), work),
    Scenario("purge", purging, (PART, KEPT), work),
    Scenario("letters", letters, (TELLS, LIFE), work),
)
