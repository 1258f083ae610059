"""``perdure init``."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path

import click

from perdure.cli.console import console
from perdure.cli.failures import CONFLICT, USAGE, Stop
from perdure.cli.settings import Command

TEMPLATES = ("inventory", "order", "approval", "monitor")
_FIRST_RUN = {
    "inventory": "-i root=.",
    "order": """-i order=A-7 -i lines='[{"sku": "tea", "quantity": 2, "price": 4.5}]'""",
    "approval": "--id holiday -i subject='two weeks off' -i timeout=1h",
    "monitor": "--id watch -i target=README.md -i interval=5s -i rounds=6",
}
"""What to write after the file's name, so that the workflow runs where it lies."""
_MEANWHILE = {
    "approval": "perdure events send holiday ApprovalResponse --data true",
    "monitor": "perdure events send watch Reading --data 21.5",
}
"""What to do from another terminal while it runs."""
_SCHEMA = "perdure.schema.json"
_SCHEMA_IN_CHECKOUT = "../../schemas/workflow-v1.schema.json"
_IGNORED = ".perdure/"


@click.command(cls=Command)
@click.argument("directory", default=".", metavar="[DIR]")
@click.option(
    "--template", type=click.Choice(TEMPLATES), default="inventory", show_default=True, help="Which."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.pass_context
def init(ctx: click.Context, directory: str, template: str, force: bool) -> None:
    """Start a directory with an example workflow.

    Writes the workflow, its activities, a README, the schema for editors, and .perdure/ into .gitignore.
    """
    target, texts = Path(directory), _texts(template)
    present = [name for name in texts if (target / name).exists()]
    if present and not force:
        message = f"{target / present[0]} is there already"
        raise Stop(CONFLICT, "exists", message, hint="--force replaces it", details=present)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (target / name).write_text(text, encoding="utf-8")
        _ignore(target / ".gitignore")
    except OSError as error:
        raise Stop(USAGE, "unwritable", f"cannot write {error.filename}: {error.strerror}") from None
    written = [(target / name).as_posix() for name in texts]
    out = console(ctx)
    out.answer({"directory": target.as_posix(), "files": written}, "\n".join(written))
    out.note(f"read {(target / 'README.md').as_posix()}, then:")
    change = "" if target.resolve() == Path.cwd() else f"cd {shlex.quote(target.as_posix())} && "
    out.note(f"  {change}perdure run {template}.perdure.yaml {_FIRST_RUN[template]}")
    if template in _MEANWHILE:
        out.note(f"and in another terminal:\n  {change}{_MEANWHILE[template]}")


def _texts(template: str) -> dict[str, str]:
    """Name and text of every file to write; the workflow is first."""
    from perdure.dsl.editor_schema import editor_schema, schema_text

    folder = files("perdure.workflows") / template
    workflow = f"{template}.perdure.yaml"
    texts = {name: (folder / name).read_text("utf-8") for name in (workflow, "activities.py", "README.md")}
    texts[workflow] = texts[workflow].replace(_SCHEMA_IN_CHECKOUT, f"./{_SCHEMA}")
    texts[_SCHEMA] = schema_text(editor_schema())
    return texts


def _ignore(file: Path) -> None:
    """Keep databases out of version control."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if _IGNORED not in lines:
        file.write_text("\n".join([*lines, _IGNORED]) + "\n", encoding="utf-8")
