"""What the shop's workflows do to the world: each writes a line into the ledger, under its idempotency key.

The ledger is the file that PERDURE_TEST_LEDGER names. One write a line, so that a process that is killed or
stopped leaves whole lines and keeps nobody from writing.
"""

from __future__ import annotations

import os

import perdure


@perdure.activity("Book")
def book(account: str, amount: int, ctx: perdure.Context) -> int:
    """Book an amount; returns it."""
    _write(ctx, account, amount)
    return amount


@perdure.activity("Refuse")
def refuse(account: str, ctx: perdure.Context) -> None:
    """Say that there is no place."""
    _write(ctx, account, 0)
    raise perdure.ActivityError("no place is left", type="Full", retryable=False)


def _write(ctx: perdure.Context, account: str, amount: int) -> None:
    # What a child or a chunk books is booked for the instance that it is a part of.
    order = ctx.instance_id.partition(":")[0]
    line = f"{ctx.idempotency_key}\t{order}\t{account}\t{amount}\n"
    descriptor = os.open(os.environ["PERDURE_TEST_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
