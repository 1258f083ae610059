"""``perdure worker``."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType

import click

from perdure.cli.connection import open_store, shown
from perdure.cli.console import console
from perdure.cli.garbage import collect_rarely
from perdure.cli.inputs import Whole
from perdure.cli.logs import log_to_stderr
from perdure.cli.settings import Command, settings
from perdure.cli.texts import told_queues

ROLES = ("turns", "activities")
LOOK_EVERY = 0.2
"""Seconds between looks whether somebody has asked the worker to leave."""


def _roles(_ctx: click.Context, _param: click.Parameter, given: str) -> frozenset[str]:
    roles = frozenset(each.strip() for each in given.split(","))
    if unknown := roles - set(ROLES):
        raise click.BadParameter(
            f"there is no role {min(unknown)!r}: {' or '.join(ROLES)}, or both with a comma"
        )
    return roles


@click.command(cls=Command)
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option(
    "--role",
    "roles",
    default=",".join(ROLES),
    show_default=True,
    callback=_roles,
    metavar="ROLES",
    help="What to do: turns (of workflows), activities, or both with a comma between them.",
)
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="A named queue to serve as well.")
@click.option(
    "--concurrency",
    type=Whole(1),
    default=32,
    show_default=True,
    help="Activities at once, of each kind.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long activities may go on after the order to stop.",
)
@click.pass_context
def worker(
    ctx: click.Context,
    modules: tuple[str, ...],
    roles: frozenset[str],
    queues: tuple[str, ...],
    concurrency: int,
    grace: float,
) -> None:
    """Run workflows and activities, without an API.

    Loads activities.py of the working directory unless MODULEs name others, and runs them for the default
    queue and for each --queue. SIGTERM, Ctrl-C and `perdure workers drain` stop it: others get its slots at
    once, activities may end, and what has not ended is delivered again elsewhere.
    """
    from perdure.cli import sources
    from perdure.engine.activities import Registry
    from perdure.engine.queues import check_queue
    from perdure.engine.worker import Worker

    collect_rarely()
    url = settings(ctx).named_database("worker", "a worker")
    out = console(ctx)
    log_to_stderr(quiet=out.quiet)
    for name in queues:
        check_queue(name)
    registry = (sources.registry(modules, Path()) if "activities" in roles else None) or Registry()
    names = sorted(registry.names)
    with _told_to_stop() as stopping, open_store(url) as store:
        working = Worker(
            store, registry, queues=queues, concurrency=concurrency, takes_turns="turns" in roles
        )
        working.start()
        try:
            roles_shown, offered = ", ".join(sorted(roles)), ", ".join(names) or "none"
            out.answer(
                {
                    "id": working.id,
                    "database": shown(url),
                    "roles": sorted(roles),
                    "activities": names,
                    "queues": list(queues),
                },
                f"working as {working.id}\n  database    {shown(url)}\n  roles       {roles_shown}\n"
                f"  activities  {offered}\n{told_queues(queues)}".rstrip("\n"),
            )
            with redirect_stdout(sys.stderr):  # what activities print is not our answer
                while working.alive and not (working.leaving or stopping.wait(LOOK_EVERY)):
                    pass
        finally:
            working.stop(grace)
    if working.error is not None:
        raise working.error


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the second SIGINT ends the process at once."""
    told = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        told.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
