"""Real workers in processes of their own share the slots of a real PostgreSQL, and some of them fail."""

from __future__ import annotations

import pytest

from tests.many_workers.crowd import come_and_go, kill_one_and_stop_one
from tests.postgres import Server

LEASE = 2.0
"""Seconds: as short as a busy machine lets it be."""


@pytest.mark.slow
def test_one_is_killed_and_one_stopped_and_every_step_is_recorded_once(postgres: Server) -> None:
    """The others take over; who was stopped writes nothing more, and comes back as another.

    The whole size is ``python -m tests.many_workers``.
    """
    account = kill_one_and_stop_one(postgres, workers=3, chains=150, steps=10, lease=LEASE)
    print(account)  # noqa: T201
    account.check()


@pytest.mark.slow
def test_nothing_runs_twice_while_workers_come_and_go(postgres: Server) -> None:
    """Slots move under load, twice; what runs meanwhile is ended where it runs."""
    account, ran = come_and_go(postgres, chains=100, steps=15, lease=10.0)
    account.check()
    assert (len(ran), set(ran.values())) == (1500, {1})
