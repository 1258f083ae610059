"""Instances that were terminated while they were suspended: what they had heard is not asked for again."""

from __future__ import annotations

import pytest

from tests.engine.driver import Hub
from tests.engine.test_entity_locks import ACCOUNT

ONCE = """
do:
  - both:
      parallel:
        called: [ { a: { call: Work } } ]
        told: [ { b: { call_entity: Account@a, op: add, with: 1 } } ]
        waited: [ { w: { wait: 1s } } ]
        child: [ { c: { call_workflow: counted } } ]
  - return: done
"""
COUNTED = """
dsl: perdure/1
name: counted
version: 1.0.0
do: [ { b: { call_entity: Account@b, op: add, with: 1 } } ]
"""


@pytest.fixture(autouse=True)
def offered(hub: Hub) -> None:
    """What the workflows of these tests call."""
    hub.activity("Work", lambda: 1)
    hub.entity(ACCOUNT)
    hub.deploy(COUNTED)


def test_answers_that_came_while_it_was_suspended_are_heard(hub: Hub) -> None:
    """Nothing is called, waited for or started a second time."""
    hub.manual = True
    hub.start(ONCE)
    hub.round()
    hub.suspend()
    hub.round()
    hub.finish(hub.open[0])
    hub.advance(2)
    hub.terminate()
    hub.run()
    hub.rewind()
    hub.advance(2)
    assert hub.open == []
    assert hub.output() == "done"
    assert len(hub.calls) == 1
    assert (hub.state("Account@a"), hub.state("Account@b")) == ({"balance": 1}, {"balance": 1})


def test_a_lock_that_came_while_it_was_suspended_was_given_back(hub: Hub) -> None:
    """So there is nothing to go on with."""
    hub.start("do: [ { l: { lock_entities: [Account@a], do: [ { w: { wait: 1s } } ] } } ]")
    hub.round()
    hub.suspend()
    hub.run()
    hub.terminate()
    hub.run()
    assert hub.row("Account@a") is None
    hub.rewind()
    hub.run()
    assert hub.status() == "Terminated"
