"""Requests that may be repeated: each is carried out once, and the row of its key says so."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perdure.engine.store import statements as s
from perdure.engine.store.records import to_request
from perdure.engine.store.rows import Request
from perdure.engine.store.transaction import Transaction


def find_request(tx: Transaction, key: tuple[str, str, str]) -> Request | None:
    """The request that was carried out under a key."""
    row = tx.row(s.REQUEST, the_route=key[0], the_target=key[1], the_key=key[2])
    return None if row is None else to_request(row)


def carried_out(tx: Transaction, request: Request | None) -> Request | None:
    """The request under this key, if there is one; else the given one is written."""
    if request is None:
        return None
    before = find_request(tx, (request.route, request.target, request.key))
    if before is None:
        write_requests(tx, [request])
    return before


def write_requests(tx: Transaction, requests: Iterable[Request]) -> None:
    """What is carried out under a key, dated by this transaction."""
    tx.mappings(s.REQUEST_INSERT, [{**msgspec.structs.asdict(each), "at": tx.now} for each in requests])
