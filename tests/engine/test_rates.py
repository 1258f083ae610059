"""Rates of queues, as operators write them."""

from __future__ import annotations

import msgspec
import pytest

from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.engine.queues import parse_rate, rate_text
from perdure.engine.store.rows import AuditQuery
from tests.engine.driver import Hub


@pytest.mark.parametrize(
    ("text", "interval", "burst", "shown"),
    [
        ("10/s", 100_000, 5, "10/s"),
        ("1/s", 1_000_000, 1, "1/s"),
        ("100/m", 600_000, 1, "100/m"),
        ("5/10s", 2_000_000, 1, "30/m"),
        ("1000/s", 1_000, 500, "1000/s"),
        ("1/7s", 7_000_000, 1, "1/7s"),
    ],
)
def test_a_rate_is_read(text: str, interval: int, burst: int, shown: str) -> None:
    """As the time between two hand-outs, and how many may come at once."""
    row = parse_rate("q", text)
    assert (row.interval, row.burst, rate_text(row)) == (interval, burst, shown)


@pytest.mark.parametrize(
    "text", ["", "10", "0/s", "10/", "s", "10/x", "-1/s", "1.5/s", "9999999/s", "1/0s", "2/0s"]
)
def test_what_is_no_rate(hub: Hub, text: str) -> None:
    """It is refused with an example."""
    with pytest.raises(UserError) as raised:
        Client(hub.store).set_queue("q", text)
    assert raised.value.code == "invalid_queue"


@pytest.mark.parametrize("name", ["default", "", "@i", "a b", "1"])
def test_what_is_no_queue(hub: Hub, name: str) -> None:
    """The default queue has no rate, since its tasks need not be handed out."""
    with pytest.raises(UserError):
        Client(hub.store).set_queue(name, "1/s")


def test_a_rate_slows_a_queue(hub: Hub) -> None:
    """And nothing else; who set it is in the audit."""
    client = Client(hub.store)
    client.actor = "ann"
    assert client.set_queue("slow", "2/s") == {"name": "slow", "rate": "2/s"}
    assert client.queues() == [{"name": "slow", "rate": "2/s", "workers": 0, "waiting": 0}]
    hub.queues = ("slow",)
    hub.activity("Echo", lambda value: value)
    hub.start(
        """
        do:
          - all: { fan_out: [1, 2, 3], do: [ s: { call: Echo, with: "${ item }", queue: slow } ] }
          - return: ${ all.results }
        """
    )
    hub.run()
    assert [task.input for task in hub.calls] == [1]
    hub.clock.now += 500_000
    hub.crash()
    hub.run()
    assert [task.input for task in hub.calls] == [1, 2]
    assert client.set_queue("slow", None) == {"name": "slow", "rate": None}
    hub.run()
    assert hub.output() == [1, 2, 3]
    entries = hub.store.audit(AuditQuery(action="queue.set"))
    assert [(each.actor, each.target, msgspec.json.decode(each.details)) for each in entries] == [
        ("ann", "slow", {}),
        ("ann", "slow", {"rate": "2/s"}),
    ]
