"""What ``explain`` says of a fan-out in chunks."""

from __future__ import annotations

from perdure.engine.client import Client
from tests.engine.driver import Hub
from tests.engine.test_chunks import double, flow


def test_explain_says_how_far_the_chunks_have_come(hub: Hub) -> None:
    """Chunks that are over tell of their items."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow().replace("width: 4", "width: 1"), [1, 2, 3])
    hub.run()
    for _ in range(2):
        hub.finish(hub.open[0])
        hub.run()
    entry, chunk = Client(hub.store).waiting("i")
    assert (entry["kind"], entry["step"]) == ("chunks", "all")
    assert (chunk["kind"], chunk["name"]) == ("instance", "i:do.0.all:1")
    assert entry["note"] == "1 of 2 chunks are over: 2 of 3 items, 0 failed"
