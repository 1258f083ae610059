"""``perdure serve``."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import click

from perdure.cli.connection import open_store, shown
from perdure.cli.console import console
from perdure.cli.garbage import collect_rarely
from perdure.cli.logs import log_to_stderr
from perdure.cli.settings import Command, settings


@click.command(cls=Command)
@click.option("--activities", "modules", multiple=True, metavar="MODULE", help="Where the activities are.")
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="A named queue to serve as well.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7410, show_default=True, help="0: any free one."
)
@click.pass_context
def serve(
    ctx: click.Context, modules: tuple[str, ...], queues: tuple[str, ...], host: str, port: int
) -> None:
    """Serve the HTTP API and run workflows and activities.

    Loads activities.py of the working directory unless --activities names others, and runs them for the
    default queue and for each --queue. SIGTERM and Ctrl-C stop it
    when the requests and activities in flight have ended, after a few seconds at most.
    """
    from perdure.cli import sources
    from perdure.engine.activities import Registry
    from perdure.engine.client import Client
    from perdure.engine.worker import Worker
    from perdure.server.app import create_app
    from perdure.server.serve import serve as listen

    collect_rarely()
    url = settings(ctx).database("serve")
    out = console(ctx)
    log_to_stderr(quiet=out.quiet)
    registry = sources.registry(modules, Path()) or Registry()
    names = sorted(registry.names)

    def ready(address: str) -> None:
        offered = ", ".join(names) or "no activities"
        out.answer(
            {"url": address, "database": shown(url), "activities": names},
            f"serving {address}\n  database    {shown(url)}\n  activities  {offered}",
        )
        stack.enter_context(redirect_stdout(sys.stderr))  # what activities print is not our answer

    with (
        ExitStack() as stack,
        open_store(url) as store,
        Worker(store, registry, queues=queues) as worker,
    ):
        listen(create_app(Client(store, worker), worker), host, port, on_ready=ready)
