"""The entity that most tests of entities are content with."""

from __future__ import annotations

COUNTER = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
  get: { readonly: true, return: "${ state }" }
  fail: { require: [ { check: "${ state < 0 }", error: Never, message: "it is ${ state }" } ] }
"""
"""It adds, says what it has, and can ``fail``."""
