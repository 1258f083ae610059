"""Drives a server with the real client ``azure-functions-durable``: ``python drive.py URL``.

It runs in an environment of its own, which has that package and not this project. Prints what came of each
call as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

from azure.durable_functions.models.DurableOrchestrationClient import DurableOrchestrationClient
from azure.durable_functions.models.OrchestrationRuntimeStatus import OrchestrationRuntimeStatus as Status
from azure.durable_functions.models.utils.entity_utils import EntityId
from azure.durable_functions.models.utils.http_utils import _close_session


class Request:
    """What a function is called with."""

    url = "http://somewhere/else"


async def until(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """What is seen when it is as wanted."""
    while not wanted(found := await look()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # Nobody tells a client.
    return found


async def refusal(call: Awaitable[Any]) -> str:
    """What the client raises."""
    try:
        await call
    except Exception as error:  # noqa: BLE001
        return str(error)
    return ""


async def drive(url: str) -> dict[str, Any]:
    """Everything that the client can do."""
    key = os.environ.get("PERDURE_KEY")
    shown = f"?code={key}" if key else ""
    binding = urlopen(f"{url}/durabletask/binding{shown}").read().decode()  # noqa: ASYNC210
    client = DurableOrchestrationClient(binding)
    seen: dict[str, Any] = {}
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)

    async def reaches(instance_id: str, status: Status) -> Any:
        return await until(lambda: client.get_status(instance_id), lambda it: it.runtime_status == status)

    made = await client.start_new("Greet", None, {"a": [1, None, "\u00e9"]})
    await client.raise_event(made, "go", {"b": 2})
    seen["completed"] = (await reaches(made, Status.Completed)).output
    status = await client.get_status(made, show_history=True, show_history_output=True, show_input=True)
    seen["input"] = status.input_
    seen["history"] = [each["EventType"] for each in status.history]

    waits = await client.start_new("Greet", "p-1", "x", version="1.0.0")
    await client.suspend(waits, "a reason")
    await reaches(waits, Status.Suspended)
    await client.resume(waits, "go on")
    seen["resumed"] = (await reaches(waits, Status.Running)).custom_status
    seen["in use"] = await refusal(client.start_new("Greet", waits))
    await client.terminate(waits, "it is enough")
    seen["terminated"] = (await reaches(waits, Status.Terminated)).output
    seen["gone"] = await refusal(client.raise_event(waits, "go", None))

    failed = await client.start_new("Greet", "p-2", "bad")
    seen["failed"] = (await reaches(failed, Status.Failed)).output
    await client.rewind(failed, "again")
    await reaches(failed, Status.Failed)
    seen["restarted"] = await client.restart(failed, restart_with_new_instance_id=False)
    await reaches(failed, Status.Failed)
    seen["no definition"] = await refusal(client.start_new("Nope"))
    seen["nobody"] = bool(await client.get_status("nobody"))
    seen["rewound wrongly"] = await refusal(client.rewind(made, "x"))

    everything = await client.get_status_all()
    seen["all"] = sorted(each.instance_id for each in everything if each.instance_id != made)
    found = await client.get_status_by(long_ago, None, [Status.Failed, Status.Completed], "p-")
    seen["by filter"] = [each.instance_id for each in found]

    entity = EntityId("Counter", "some key")
    for number in (3, 4):
        await client.signal_entity(entity, "add", number)
    state = await until(lambda: client.read_entity_state(entity), lambda it: it.entity_state == 8)
    seen["entity"] = [state.entity_exists, state.entity_state]
    seen["no entity"] = (await client.read_entity_state(EntityId("Counter", "none"))).entity_exists

    answer = await client.wait_for_completion_or_create_check_status_response(Request, failed, 60_000, 10)
    seen["waited"] = [answer.status_code, json.loads(answer.get_body())["output"]]
    payload = client.create_http_management_payload("abc")
    seen["links"] = sorted(payload)
    seen["replaced"] = all("abc" in each for each in payload.values())
    seen["purged"] = [
        (await client.purge_instance_history(made)).instances_deleted,
        (await client.purge_instance_history(made)).instances_deleted,
        (await client.purge_instance_history_by(long_ago, None, [Status.Failed])).instances_deleted,
        (await client.purge_instance_history_by(long_ago, None, [Status.Failed])).instances_deleted,
    ]
    await _close_session()
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(asyncio.wait_for(drive(sys.argv[1]), 100))))
