"""Operations of one entity take effect in an order that agrees with real time, though processes die."""

from __future__ import annotations

import itertools
import threading
from functools import partial
from pathlib import Path

import pytest

from perdure.engine.client import Client
from perdure.engine.store.sqlite import SqliteStore
from perdure.server.deployments import deploy_source
from tests.engine.counter import COUNTER
from tests.engine.facts import WAIT, eventually
from tests.engine.worker_process import Process

pytestmark = pytest.mark.slow  # real processes that are killed

CLIENTS, CALLS = 4, 60


def test_calls_agree_with_real_time_through_two_kills(tmp_path: Path) -> None:
    """Each add counts once; what has returned is seen by whoever asks afterwards."""
    path = tmp_path / "hub.db"
    store = SqliteStore(path)
    deploy_source(Client(store), COUNTER, "counter.yaml")
    moments = itertools.count()
    seen: list[tuple[int, int, str, int]] = []
    """Of each call: when it was made, when it was answered, its operation and its result."""

    def ask(number: int) -> None:
        mine = SqliteStore(path)
        client = Client(mine)
        for call in range(CALLS):
            operation = "get" if call % 3 == 2 else "add"
            value = None if operation == "get" else 1
            made, key = next(moments), f"{number}/{call}"
            answer = None
            while answer is None:
                answer = client.call_entity("Counter@a", operation, value, timeout=WAIT, request_key=key)
            seen.append((made, next(moments), operation, answer["result"]))
        mine.close()

    def answered(wanted: int) -> bool:
        return len(seen) >= wanted

    process = Process(path)
    threads = [threading.Thread(target=ask, args=[number], daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for wanted in (60, 140):
        eventually(partial(answered, wanted))
        process.kill()
        process = Process(path)
    for thread in threads:
        thread.join(2 * WAIT)
    process.kill()
    store.close()
    assert len(seen) == CLIENTS * CALLS
    adds = sorted(result for _, _, operation, result in seen if operation == "add")
    assert adds == list(range(1, CLIENTS * CALLS * 2 // 3 + 1))
    for made, _, operation, result in seen:
        before = [other for _, end, _, other in seen if end < made]
        assert result >= max(before, default=0) + (operation == "add"), "it was not seen"
