"""Requests that may be repeated: each is carried out once, and the row of its key says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from perdure.engine.store import statements as s
from perdure.engine.store.records import to_request
from perdure.engine.store.rows import Request
from perdure.engine.store.transaction import Transaction


def find_request(tx: Transaction, key: tuple[str, str, str]) -> Request | None:
    """The request that was carried out under a key."""
    return find_requests(tx, [key]).get(key)


def find_requests(
    tx: Transaction, keys: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Request]:
    """Those of them that were carried out."""
    found = tx.rows_each(s.REQUEST, [{"the_route": r, "the_target": t, "the_key": k} for r, t, k in keys])
    return {key: to_request(row) for key, rows in zip(keys, found, strict=True) for row in rows}


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
