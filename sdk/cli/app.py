"""The program ``perdure``: its commands, loaded when they are asked for, and what becomes of their errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

from perdure.cli.settings import GLOBAL_OPTIONS, Command, Settings

COMMANDS = {
    "init": "Start a directory with an example workflow.",
    "validate": "Check workflow files and point at what is wrong.",
    "fmt": "Bring workflow files into one layout.",
    "compile": "List the instructions that workflows and entities compile to.",
    "diagram": "Draw a workflow as SVG, Mermaid or text.",
    "explain": "Say what a code means, or why an instance is where it is.",
    "schema": "Print the JSON Schema of workflow files, for editors.",
    "run": "Run a workflow file to its end in this process.",
    "serve": "Serve the HTTP API and run workflows and activities.",
    "worker": "Run workflows and activities, without an API.",
    "deploy": "Store workflows, so that they can be started by name.",
    "definitions": "Look at deployed versions; choose what is started.",
    "start": "Start an instance of a deployed workflow.",
    "list": "List instances, newest first.",
    "show": "Show an instance and what it waits for.",
    "history": "Print the events of an instance.",
    "wait": "Wait until instances have ended.",
    "query": "Ask an instance what its workflow's queries answer.",
    "events": "Send events to instances.",
    "complete": "Give an activity that waits for it its result, or an error.",
    "entities": "Look at entities, and speak to them.",
    "suspend": "Stop instances from going on, until they are resumed.",
    "resume": "Let suspended instances go on.",
    "cancel": "End instances after their cleanup.",
    "terminate": "End instances at once, without cleanup.",
    "rewind": "Let instances that failed, or were terminated, go on.",
    "migrate": "Let instances that run go on with another version.",
    "restart": "Do instances that have ended all over again.",
    "fork": "Start another instance with the past of one, up to a step.",
    "resolve": "End what a step waits for by hand.",
    "purge": "Delete instances that have ended, with all that is kept of them.",
    "schedules": "Look at what starts workflows by the calendar, and manage it.",
    "queues": "Look at named queues, and set their rates.",
    "keys": "Say who may ask a server, and for what.",
    "hub": "Move a hub, with all that runs in it, to another database.",
    "workers": "Look at the processes that work on a database.",
    "dlq": "Look at what could not be delivered; deliver or discard it.",
    "audit": "List what operators did, newest first.",
}
"""Every command with the sentence that ``--help`` shows for it, in order."""

ALIASES = {
    "ls": "list",
    "get": "show",
    "rm": "purge",
    "lint": "validate",
    "def": "definitions",
    "dead-letters": "dlq",
}

MEANT = {
    "check": "validate",
    **dict.fromkeys(("describe", "inspect", "status"), "show"),
    **dict.fromkeys(("raise", "send", "signal"), "events send"),
    **dict.fromkeys(("delete", "remove"), "purge"),
    **dict.fromkeys(("log", "logs", "trace"), "history"),
    **dict.fromkeys(("kill", "stop"), "terminate"),
    **dict.fromkeys(("instances", "ps"), "list"),
    **dict.fromkeys(("apply", "register"), "deploy"),
    "execute": "start",
    "format": "fmt",
    "graph": "diagram",
    "help": "--help",
    "pause": "suspend",
    "retry": "rewind",
    "server": "serve",
    "version": "--version",
    "workflows": "definitions list",
}
"""What other programs call it, with the words that are asked for here."""

_MODULES = {
    "list": "listing",
    **dict.fromkeys(("suspend", "resume", "cancel", "terminate"), "lifecycle"),
    **dict.fromkeys(("rewind", "migrate", "restart", "fork", "resolve"), "acts"),
}
_ATTRIBUTES = {"list": "list_instances"}


class Program(click.Group):
    """The group of all commands; ``main`` turns every error into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = import_module(f"perdure.cli.{_MODULES.get(name, name)}")
        command = getattr(module, _ATTRIBUTES.get(name, name))
        assert isinstance(command, click.Command), "each module defines the command of its name"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and args[0] not in ALIASES:
            near = [MEANT[args[0]]] if args[0] in MEANT else []
            near += get_close_matches(args[0], [*COMMANDS, *ALIASES], n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{args[0]}'.{guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # click would exit with 1; whoever stops reading has what he wanted.
            from perdure.cli.failures import ReaderGone

            raise ReaderGone from None

    def main(  # type: ignore[override]  # click's own ways of ending are replaced
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run, and exit with the code of the table in the command line's page."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            # A command returns nothing; what comes back is the code that it gave to ctx.exit.
            code = super().main(words, prog_name or "perdure", standalone_mode=False, **extra)
        except BaseException as error:  # noqa: BLE001  # whatever it is, people see a sentence
            from perdure.cli.failures import report

            sys.exit(report(error, words))
        sys.exit(_flushed() or code or 0)


def _flushed() -> int:
    """0, or what a reader that went away leaves of it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from perdure.cli.failures import ReaderGone, report

        return report(ReaderGone(), ())
    return 0


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from perdure.cli.settings import version

        click.echo(f"perdure {version()}")
        ctx.exit()


@click.command(
    cls=Program,
    params=[
        *GLOBAL_OPTIONS,
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGUMENTS]...",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Durable workflows written in YAML.

    The commands from 'deploy' on work on a database (--db, by default sqlite:///.perdure/perdure.db) or on a
    server (--server). Options of this list may stand before or after the command.
    """
    ctx.ensure_object(Settings)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


__all__ = ["ALIASES", "COMMANDS", "Command", "Program", "cli"]
