"""What points the clients at this server: the JSON that the Functions host gives them otherwise."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from perdure.server.durabletask.answers import value_answer
from perdure.server.durabletask.bodies import links, origin
from perdure.server.durabletask.parameters import PUBLIC, RPC, Parameters

PLACEHOLDER = "INSTANCEID"
"""What the clients replace with an instance's id, in all links."""


async def show(request: Request) -> Response:
    """The data of a durableClient binding."""
    query = Parameters(request).links()
    text = urlencode(query)
    base = origin(request)
    create = f"{base}{PUBLIC}/orchestrators/{{functionName}}[/{{instanceId}}]?{text}"
    document = {
        "taskHubName": dict(query)["taskHub"],
        "creationUrls": {
            "createNewInstancePostUri": create,
            "createAndWaitOnNewInstancePostUri": f"{create}&timeout={{timeoutInSeconds}}"
            "&pollingInterval={intervalInSeconds}",
        },
        "managementUrls": links(request, PLACEHOLDER),
        "baseUrl": f"{base}{PUBLIC}",
        # The JavaScript client takes a server without any for one that has no entities.
        "requiredQueryStringParameters": text,
        "rpcBaseUrl": f"{_with_key(base, dict(query).get('code'))}{RPC}/",
    }
    return value_answer(document)


def _with_key(base: str, key: str | None) -> str:
    """The key as a password: what the clients put behind this URL has no room for a parameter."""
    return base if key is None else base.replace("://", f"://code:{quote(key, safe='')}@", 1)
