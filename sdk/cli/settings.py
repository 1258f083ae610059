"""The options that every command has, before it or after it, and the environment they stand for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import click

Color: TypeAlias = Literal["auto", "always", "never"]

_WHOLE = 1000
"""Letters of a command's sentence: all of them."""
DEFAULT_DB = "sqlite:///.perdure/perdure.db"


@dataclass(slots=True)
class Settings:
    """What the global options say. None: nothing was said."""

    db: str | None = None
    server: str | None = None
    actor: str | None = None
    json: bool = False
    color: Color = "auto"
    quiet: bool = False

    def target(self) -> tuple[str, str | None]:
        """The database's URL, and the server's if there is one. A flag beats the environment.

        Raises ``click.UsageError`` when a database and a server are both asked for.
        """
        db, server, origin = self.db, self.server, "--db and --server"
        if db is None and server is None:
            db, server = os.environ.get("PERDURE_DB") or None, os.environ.get("PERDURE_SERVER") or None
            origin = "PERDURE_DB and PERDURE_SERVER"
        if db and server:
            raise click.UsageError(f"{origin} exclude each other; give one of them")
        return db or DEFAULT_DB, server

    def acting(self) -> str | None:
        """Who acts, for the audit; None: nobody was named."""
        return self.actor or os.environ.get("PERDURE_ACTOR") or None

    def database(self, command: str) -> str:
        """The database's URL for a command that works on a database alone."""
        if self.server is not None:
            raise click.UsageError(f"{command} works on a database; use --db instead of --server")
        return self.db or os.environ.get("PERDURE_DB") or DEFAULT_DB

    def named_database(self, command: str, what: str) -> str:
        """The same, but not the default one beside a server that somebody believes to work with.

        Raises ``Stop``.
        """
        from perdure.cli.failures import USAGE, Stop

        url = self.database(command)
        if self.db is None and not os.environ.get("PERDURE_DB") and os.environ.get("PERDURE_SERVER"):
            message = f"PERDURE_SERVER names a server, but {what} works on a database"
            raise Stop(USAGE, "usage", message, hint="give --db: the database that the server works on")
        return url


def settings(ctx: click.Context) -> Settings:
    """The settings of this call."""
    return ctx.find_root().ensure_object(Settings)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name is not None:
        setattr(settings(ctx), param.name.removeprefix("global_"), value)


def _option(*names: str, **more: Any) -> click.Option:
    return click.Option(names, default=None, expose_value=False, callback=_keep, **more)


GLOBAL_OPTIONS: tuple[click.Parameter, ...] = (
    _option("--db", "global_db", metavar="URL", help=f"The database (PERDURE_DB; {DEFAULT_DB})."),
    _option("--server", "global_server", metavar="URL", help="A server to ask instead (PERDURE_SERVER)."),
    _option("--actor", "global_actor", metavar="NAME", help="Who acts, for the audit (PERDURE_ACTOR)."),
    _option("--json", "global_json", is_flag=True, help="Print one JSON document, errors too."),
    _option("--color", "global_color", type=click.Choice(["auto", "always", "never"]), help="Colours."),
    _option("-q", "--quiet", "global_quiet", is_flag=True, help="No progress and no remarks."),
)


class Command(click.Command):
    """A command that takes the global options too; ``--help`` lists them apart."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params = [*self.params, *GLOBAL_OPTIONS]
        self.context_settings = {"help_option_names": ["-h", "--help"], **self.context_settings}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                (common if param in GLOBAL_OPTIONS else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        with formatter.section("Global options"):
            formatter.write_dl(common)


class Group(click.Group):
    """Commands under one noun; ``--help`` shows each one's sentence whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in found if each])


def version() -> str:
    """The installed version of perdure."""
    from importlib.metadata import version as installed

    return installed("perdure")
