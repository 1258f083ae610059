from __future__ import annotations

import anyio
import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.deployments import deploy_source
from perdure.server.waits import Waits
from tests.server.hub import GATE

WAITS = 200
LONG_SECONDS = 3_600.0


async def is_there() -> bool:
    """A client that has not left."""
    return False


async def is_gone() -> bool:
    """A client that has left."""
    return True


async def running() -> dict[str, str]:
    """An instance that does not end."""
    return {"status": "Running"}


def test_many_wait_without_a_thread_each() -> None:
    """Hundreds of waits for one instance are over once it ends."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        deploy_source(client, GATE, "gate.yaml")
        instance = client.start("gate", {})["id"]
        waits = Waits(worker, 1_000)

        async def read() -> dict[str, str]:
            document: dict[str, str] = client.instance(instance)
            return document

        async def terminate() -> None:
            client.terminate(instance)

        async def wait() -> None:
            document = await waits.until_ended(instance, LONG_SECONDS, read, is_there)
            assert document["status"] == "Terminated"

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(WAITS):
                    tasks.start_soon(wait)
                tasks.start_soon(terminate)

        anyio.run(main)


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_a_wait_passes(seconds: float) -> None:
    """A wait gives the instance as it is when its time has passed, at once for none."""
    assert anyio.run(Waits(None, 1_000).until_ended, "any", seconds, running, is_there) == {
        "status": "Running"
    }


def test_a_client_that_left_is_not_waited_for() -> None:
    """A wait is over when its client has gone."""
    assert anyio.run(Waits(None, 1_000).until_ended, "any", LONG_SECONDS, running, is_gone)


def test_a_closed_server_waits_for_nothing() -> None:
    """Closing ends the waits that are there, and those that come later."""
    waits = Waits(None, 1_000)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits.until_ended, "any", LONG_SECONDS, running, is_there)
            await anyio.lowlevel.checkpoint()
            waits.close()
        await waits.until_ended("any", LONG_SECONDS, running, is_there)

    anyio.run(main)
