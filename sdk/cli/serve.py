"""``perdure serve``."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

import click

from perdure.cli.connection import open_store, shown
from perdure.cli.console import console
from perdure.cli.garbage import collect_rarely
from perdure.cli.inputs import Whole
from perdure.cli.logs import log_to_stderr
from perdure.cli.oidc import oidc_options, provider_of
from perdure.cli.settings import Command, settings
from perdure.cli.texts import told_queues


@click.command(cls=Command)
@click.option("--activities", "modules", multiple=True, metavar="MODULE", help="Where the activities are.")
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="A named queue to serve as well.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=Whole(0, 65535), default=7410, show_default=True, help="0: any free one.")
@click.option("--insecure", is_flag=True, help="Let whoever reaches the host do everything, without a key.")
@click.option("--key-rate", metavar="RATE", help="How often each key may ask: 100/s, 600/m.")
@oidc_options
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    modules: tuple[str, ...],
    queues: tuple[str, ...],
    host: str,
    port: int,
    insecure: bool,
    key_rate: str | None,
    **tokens: Any,
) -> None:
    """Serve the HTTP API and run workflows and activities.

    Loads activities.py of the working directory unless --activities names others, and runs them for the
    default queue and for each --queue. Others than programs of this machine are let in with a key alone.
    SIGTERM and Ctrl-C stop it when the requests and activities in flight have ended, after a few seconds at
    most.
    """
    from perdure.cli import sources
    from perdure.engine.activities import Registry
    from perdure.engine.client import Client
    from perdure.engine.queues import check_queue, per_second
    from perdure.engine.worker import Worker
    from perdure.server.app import create_app
    from perdure.server.guards import is_loopback
    from perdure.server.serve import serve as listen
    from perdure.server.settings import Settings

    collect_rarely()
    url = settings(ctx).database("serve")
    out = console(ctx)
    log_to_stderr(quiet=out.quiet)
    rate = None if key_rate is None else per_second(key_rate)
    for name in queues:
        check_queue(name)
    provider = provider_of(**tokens)
    registry = sources.registry(modules, Path()) or Registry()
    names = sorted(registry.names)

    def ready(address: str) -> None:
        offered = ", ".join(names) or "none"
        asks = limits.require_keys or provider is not None or bool(client.keys())
        keys = "asked for" if asks else f"none, so whoever reaches {host} may do everything"
        keys += f"\n  tokens      of {provider.issuer}" if provider is not None else ""
        out.answer(
            {
                "url": address,
                "database": shown(url),
                "activities": names,
                "queues": list(queues),
                "asks_for_keys": asks,
            },
            f"serving {address}\n  database    {shown(url)}\n  activities  {offered}\n"
            f"{told_queues(queues)}  keys        {keys}",
        )
        stack.enter_context(redirect_stdout(sys.stderr))  # what activities print is not our answer

    with (
        ExitStack() as stack,
        open_store(url) as store,
        Worker(store, registry, queues=queues) as worker,
    ):
        client = Client(store, worker)
        far = not is_loopback(host)
        allowed = far and (insecure or provider is not None or bool(client.keys()))
        limits = Settings(any_host=far, require_keys=far and not insecure, key_rate=rate, provider=provider)
        listen(create_app(client, worker, limits), host, port, reachable=allowed, on_ready=ready)
