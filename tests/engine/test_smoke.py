"""First steps of the engine."""

from __future__ import annotations

from tests.engine.driver import Hub


def test_a_chain_gives_its_output(hub: Hub) -> None:
    """Each step sees the result of the one before."""
    hub.activity("Inc", lambda n: n + 1)
    hub.start(
        """
        do:
          - a: { call: Inc, with: "${ input }" }
          - b: { call: Inc, with: "${ a }" }
          - return: ${ b }
        """,
        1,
    )
    hub.run()
    assert hub.output() == 3
