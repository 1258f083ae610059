"""As ``perdure serve``, with a lease of its own, and with a wrong engine if one is named.

``python -m tests.black_box.server URL SECONDS PORT [MUTANT]``
"""

from __future__ import annotations

import json
import sys

from tests.black_box.mutants import MUTANTS
from tests.sim.mutants import import_changed


def main(url: str, seconds: str, port: str, *mutants: str) -> None:
    """Serve until SIGTERM."""
    for name in mutants:
        import_changed(MUTANTS[name])
    # Nothing of perdure is imported before.
    from perdure.cli.sources import registry
    from perdure.engine.client import Client
    from perdure.engine.store import open_store
    from perdure.engine.worker import Worker
    from perdure.server.app import create_app
    from perdure.server.serve import serve
    from tests.black_box.orders import ACTIVITIES

    def announce(address: str) -> None:
        sys.stdout.write(f"{json.dumps({'data': {'url': address}})}\n")
        sys.stdout.flush()

    offered = registry([str(ACTIVITIES)], ACTIVITIES.parent)
    assert offered is not None
    store = open_store(url)
    with Worker(store, offered, lease=round(float(seconds) * 1_000_000)) as worker:
        serve(create_app(Client(store, worker), worker), "127.0.0.1", int(port), on_ready=announce)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
