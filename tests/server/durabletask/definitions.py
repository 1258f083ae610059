"""What the servers of these tests have: a workflow that greets and waits, and an entity that counts."""

from __future__ import annotations

GREET = """\
dsl: perdure/1
name: Greet
version: 1.0.0
do:
- set_custom_status: { step: begun }
- hello: { call: Say, with: "${ input }" }
- go: { wait_for_event: go, timeout: never }
- return: { said: "${ hello }", went: "${ go }" }
"""
COUNTER = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { schema: { type: integer }, initial: 1 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
"""


def say(value: object) -> str:
    """The activity ``Say``."""
    if value == "bad":
        raise ValueError("it is bad")
    return f"hi {value}"
