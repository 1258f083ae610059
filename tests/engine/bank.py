"""Accounts, and workflows that move money between them under two locks."""

from __future__ import annotations

import random
from typing import Any

START = 100
"""What every account has before anybody moves anything."""

ACCOUNT = """\
dsl: perdure/1
kind: entity
name: Account
version: 1.0.0
state:
  schema: { type: object, properties: { balance: { type: integer, minimum: 0 } }, required: [balance] }
  initial: { balance: 100 }
operations:
  get: { readonly: true, return: "${ state.balance }" }
  deposit: { input: { type: integer }, set: { balance: "${ state.balance + input }" } }
  withdraw:
    input: { type: integer }
    require: [ { check: "${ state.balance >= input }", error: InsufficientFunds } ]
    set: { balance: "${ state.balance - input }" }
"""
MOVER = """\
dsl: perdure/1
name: mover
version: 1.0.0
do:
  - all:
      for_each: ${ input }
      each: move
      do:
        - moved:
            lock_entities: [ "Account@${ move.from }", "Account@${ move.to }" ]
            do:
              - balance: { call_entity: "Account@${ move.from }", op: get }
              - if: ${ balance >= move.amount }
                then:
                  - taken: { call_entity: "Account@${ move.from }", op: withdraw, with: "${ move.amount }" }
                  - given: { call_entity: "Account@${ move.to }", op: deposit, with: "${ move.amount }" }
  - return: ${ size(all) }
"""


def moves(seed: int, accounts: int, count: int) -> list[dict[str, Any]]:
    """Random transfers between two accounts."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        first, second = chance.sample(range(accounts), 2)
        found.append({"from": f"a{first}", "to": f"a{second}", "amount": chance.randint(1, 60)})
    return found
