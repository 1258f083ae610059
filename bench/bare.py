"""What HTTP itself costs here: a Starlette route that reads a body and answers it, served as perdure's are.

``python -m bench.bare`` prints its URL and serves until it is told to stop.
"""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perdure.cli.garbage import collect_rarely
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.server.api import Api
from perdure.server.serve import serve
from perdure.server.settings import Settings


async def _echo(request: Request) -> Response:
    body = await request.body()
    value = json.loads(body) if body else None
    return Response(json.dumps({"value": value}), media_type="application/json")


def main() -> None:
    """Serve until SIGTERM."""
    collect_rarely()
    app = Starlette(routes=[Route("/bare", _echo, methods=["GET", "POST"])])
    app.state.api = Api(Client(open_store("memory://")), None, Settings())
    serve(app, "127.0.0.1", 0, on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main()
