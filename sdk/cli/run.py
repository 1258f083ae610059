"""``perdure run``."""

from __future__ import annotations

import secrets
import shlex
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.connection import failed_at, open_store, shown
from perdure.cli.console import Console, console
from perdure.cli.failures import CONFLICT, INTERRUPTED, NO, TERMINATED, TIMEOUT, Stop, Terminated
from perdure.cli.garbage import collect_rarely
from perdure.cli.inputs import Duration, explaining_input, read_input
from perdure.cli.logs import log_to_stderr
from perdure.cli.settings import Command, settings
from perdure.cli.start import finish

if TYPE_CHECKING:
    from perdure.cli.progress import Progress
    from perdure.compiler.ir import Program
    from perdure.engine.client import Client
    from perdure.engine.worker import Worker

REFRESH = 0.1
"""Seconds between looks at the instance."""
PATIENCE = 1.0
"""Seconds that an instance must be suspended for: an order to resume may still be on its way."""
GRACE = 5.0
"""Seconds that running activities have to end when the command is interrupted."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-i", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the input; JSON or text.")
@click.option("--input", "document", metavar="JSON|@FILE|-", help="The whole input.")
@click.option("--id", "instance_id", metavar="ID", help="The instance's id: the same again resumes it.")
@click.option("--workflow", metavar="NAME", help="Which one, if FILE holds several.")
@click.option("--activities", "modules", multiple=True, metavar="MODULE", help="Where the activities are.")
@click.option("--timeout", type=Duration(), metavar="DURATION", help="Longest wait; exit code 124.")
@click.pass_context
def run(
    ctx: click.Context,
    file: Path,
    pairs: tuple[str, ...],
    document: str | None,
    instance_id: str | None,
    workflow: str | None,
    modules: tuple[str, ...],
    timeout: float | None,
) -> None:
    """Run a workflow file to its end in this process.

    Of several workflows in it the one that no other there calls is run, and the others are there for it.

    Prints its output. Activities come from activities.py beside FILE, unless --activities names modules or
    .py files. Given the same --id again, it goes on where it was, and prints the output when it has ended.
    """
    from perdure.cli import sources
    from perdure.engine.activities import Registry
    from perdure.engine.client import Client
    from perdure.engine.store.memory import MemoryStore
    from perdure.engine.worker import Worker
    from perdure.server.deployments import deployments

    collect_rarely()
    url = settings(ctx).database("run")
    out = console(ctx)
    log_to_stderr(quiet=out.quiet)
    value = read_input(pairs, document)
    registry = sources.registry(modules, file.parent) or Registry()
    checked = sources.check(file.as_posix(), sources.read_file(file), registry)
    sources.refuse([checked])
    program = sources.main_workflow(checked, workflow).program
    others = [each.program for each in checked.workflows if each.program is not program]
    name = instance_id or _new_name(program.name)
    again: str | None = _again(file, name, settings(ctx).db, modules, workflow)
    with _signals(), open_store(url) as store:
        if isinstance(store, MemoryStore):
            again = None
        worker = Worker(store, registry, reserve=True, private=[name])
        client = Client(store, worker)
        if checked.entities:  # they belong to the hub, not to one instance
            client.deploy(deployments((), checked.entities, checked.source.text))
        since = store.time()
        try:
            with redirect_stdout(sys.stderr):  # what activities print is not our answer
                worker.start()
                try:
                    instance = _begin(
                        client, out, program, others, name, value, given=bool(pairs or document)
                    )
                    if instance_id is None:
                        out.note(f"instance {name}")
                    instance = _follow(client, worker, out, instance, timeout, since, again)
                finally:
                    worker.stop(GRACE)
        except (KeyboardInterrupt, Terminated) as error:
            code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED
            message, hint = _left(f"{name} was interrupted", again)
            raise Stop(code, "interrupted", message, hint=hint) from None
        _conclude(client, out, instance, again)


def _begin(
    client: Client,
    out: Console,
    program: Program,
    others: Sequence[Program],
    name: str,
    value: Any,
    *,
    given: bool,
) -> dict[str, Any]:
    """Start the instance, or find the one that is there. Raises ``Stop`` when it is of another workflow."""
    from perdure.compiler.encode import digest

    with explaining_input(lambda: program.input_schema if not given else None):
        instance = client.run(program, value, id=name, queue=name, others=others)
    if instance["workflow"] != program.name:
        message = f"{name} is an instance of {instance['workflow']}, not of {program.name}"
        raise Stop(CONFLICT, "conflict", message, hint="choose another --id")
    if given and instance["generation"] == 1 and instance["input"] != value:
        out.note(f"{name} goes on with the input it was started with, not with this one")
    if instance["digest"] != digest(program) and instance["ended_at"] is None:
        out.note(f"{name} goes on with the workflow as it was when it was started: the file has changed")
    return instance


def _follow(
    client: Client,
    worker: Worker,
    out: Console,
    instance: dict[str, Any],
    timeout: float | None,
    since: int,
    again: str | None,
) -> dict[str, Any]:
    """Show the instance until it has ended or is suspended. Raises ``Stop`` when the time is up."""
    from perdure.cli.progress import following
    from perdure.engine import clock

    if instance["ended_at"] is not None:
        return instance
    until = None if timeout is None else clock.monotonic() + timeout
    suspended: float | None = None
    with following(out, client.store, instance["id"], since) as progress:
        while instance["ended_at"] is None:
            if instance["status"] != "Suspended":
                suspended = None
            elif suspended is None:
                suspended = clock.monotonic()
            elif clock.monotonic() - suspended > PATIENCE:
                break
            if until is not None and clock.monotonic() >= until:
                raise _late(instance, again)
            instance = _look(client, worker, progress, instance["id"])
        progress.update()
    return instance


def _look(client: Client, worker: Worker, progress: Progress, instance_id: str) -> dict[str, Any]:
    if worker.error is not None:
        raise worker.error
    progress.update()
    return client.wait(instance_id, REFRESH)


def _late(instance: dict[str, Any], again: str | None) -> Stop:
    message, hint = _left(f"{instance['id']} has not ended in time", again)
    return Stop(TIMEOUT, "timeout", message, hint=hint, details=instance)


def _left(said: str, again: str | None) -> tuple[str, str]:
    """What has become of an instance that has not ended, and a hint: None is no way to go on."""
    if again is None:
        return f"{said}; it is gone, for it was only in memory", "to keep instances: --db sqlite:///FILE"
    return f"{said}; it is not lost", f"to go on: {again}"


def _conclude(client: Client, out: Console, instance: dict[str, Any], again: str | None) -> None:
    if instance["status"] == "Suspended":
        reason = f": {instance['reason']}" if instance["reason"] else ""
        said = f"{instance['id']} is suspended{reason}"
        hint = f"to go on: perdure resume {instance['id']} && {again}"
        if again is None:
            said, hint = _left(said, again)
        raise Stop(NO, "workflow_suspended", said, hint=hint, details=instance)
    finish(out, instance, failed_at(client, instance))


def _new_name(workflow: str) -> str:
    """A readable id that nobody has."""
    return f"{workflow}-" + "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(8))


def _again(file: Path, name: str, url: str | None, modules: Sequence[str], workflow: str | None) -> str:
    """The command that goes on; whoever named a database or activities has to name them again."""
    words = ["perdure", "run", str(file), "--id", name]
    words += [] if workflow is None else ["--workflow", workflow]
    words += [] if url is None else ["--db", shown(url)]
    words += [word for module in modules for word in ("--activities", module)]
    return shlex.join(words)


@contextmanager
def _signals() -> Generator[None]:
    """SIGTERM ends the command as Ctrl-C does: what runs may end, the worker leaves."""

    def terminate(signum: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
