"""``perdure complete``."""

from __future__ import annotations

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.inputs import read_value
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("token", metavar="TOKEN")
@click.option("--output", metavar="JSON|@FILE|-", help="The activity's result; null by default.")
@click.option("--error", metavar="TYPE", help="Let it fail with this error instead.")
@click.option("--message", default="", help="The error's message.")
@click.option("--data", metavar="JSON|@FILE|-", help="The error's data.")
@click.option("--no-retry", is_flag=True, help="Do not try the step again.")
@click.pass_context
def complete(
    ctx: click.Context,
    token: str,
    output: str | None,
    error: str | None,
    message: str,
    data: str | None,
    no_retry: bool,
) -> None:
    """Give an activity that waits for it its result, or an error.

    TOKEN is what the activity gave away before it raised perdure.Pending. The same again changes nothing.
    """
    if error is not None and output is not None:
        raise click.UsageError("give --output or --error, not both", ctx)
    if error is None and (message or data or no_retry):
        raise click.UsageError("--message, --data and --no-retry belong to --error", ctx)
    value = None if output is None else read_value(output, "--output")
    details = None if data is None else read_value(data, "--data")
    with open_hub(ctx) as hub:
        if error is None:
            outcome = hub.complete_token(token, value)
        else:
            outcome = hub.fail_token(token, error, message, data=details, retryable=not no_retry)
    out = console(ctx)
    out.answer(outcome, "")
    out.note("the activity is answered" if outcome["changed"] else "the activity was answered so before")
