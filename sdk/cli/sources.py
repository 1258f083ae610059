"""Workflow files: reading them, checking them with the activities that belong to them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

from perdure.cli.failures import NO, USAGE, Stop
from perdure.cli.finding import meant
from perdure.cli.schema_files import files_beside
from perdure.compiler import ir
from perdure.compiler.build import Build, Built, BuiltEntity, build
from perdure.dsl import (
    Diagnostic,
    Document,
    Severity,
    Signature,
    Source,
    check_activities,
    format_diagnostics,
    load_bytes,
)
from perdure.dsl.cases import Cases
from perdure.dsl.diagnostics import Ignores
from perdure.dsl.report import PLAIN, Format, Look
from perdure.dsl.together import check_together
from perdure.dsl.types import catalog_of
from perdure.engine.activities import Registry, load_activities

MOST_BYTES = 1 << 20
"""Read of a file; documents are smaller, so what is cut off is refused for its size."""

_STARTS = (ir.CallWorkflow, ir.StartWorkflow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file, what it came to, and everything that was found."""

    source: Source
    workflows: tuple[Built, ...]
    diagnostics: tuple[Diagnostic, ...]
    documents: tuple[Document, ...] = ()
    entities: tuple[BuiltEntity, ...] = ()
    ignores: Ignores = field(default_factory=Ignores)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(each.severity is not Severity.ERROR for each in self.diagnostics)


def read_file(path: Path) -> bytes:
    """The bytes of a workflow file. Raises ``Stop``."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise Stop(USAGE, "unreadable", f"cannot read {path}: {error.strerror}", hint=meant(path)) from None


def check(
    name: str,
    data: bytes,
    activities: Registry | None,
    *,
    beside: Iterable[Document] = (),
    strict: bool = False,
) -> Checked:
    """Check and compile a file's text; with a registry, every activity that it calls must be there.

    ``beside`` are documents of other files that are known too, such as those that ``outline`` gives.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = len(data) == MOST_BYTES and error.start > MOST_BYTES - 4
        if not cut:
            found = load_bytes(name, data).diagnostics
            shown = data.decode("utf-8", "replace")
            return Checked(source=Source(name, shown), workflows=(), diagnostics=found)
        text = data.decode("utf-8", "ignore")
    source = Source(name, text)
    catalog = catalog_of(None if activities is None else activities.manifest(), beside)
    built = build(source, catalog, strict=strict, files=files_beside(name))
    diagnostics = (*built.diagnostics, *built.ignores.kept(_unknown(built, activities)))
    return Checked(
        source=source,
        workflows=built.workflows,
        diagnostics=diagnostics,
        documents=built.documents,
        entities=built.entities,
        ignores=built.ignores,
    )


def outline(name: str, data: bytes) -> tuple[Document, ...]:
    """The documents of a file that is only asked for what it declares; what is wrong is not said."""
    return load_bytes(name, data, files_beside(name)).documents


def check_together_too(checked: Sequence[Checked]) -> list[Checked]:
    """The same files, with what can only be found between them."""
    found = check_together([document for file in checked for document in file.documents])
    return [
        replace(
            file,
            diagnostics=(
                *file.diagnostics,
                *file.ignores.kept(each for each in found if each.file == file.source.name),
            ),
        )
        for file in checked
    ]


def _unknown(built: Build, activities: Registry | None) -> Iterable[Diagnostic]:
    if activities is None:
        return
    known = {
        name: Signature(names=names, required=required)
        for name, (names, required) in activities.signatures.items()
    }
    for each in built.workflows:
        yield from check_activities(each.workflow, known)


def registry(modules: Sequence[str], beside: Path) -> Registry | None:
    """The activities of the modules, else of ``activities.py`` in the directory; None when there is none.

    The working directory and that one come first on the import path. Raises ``UserError``.
    """
    for folder in (str(beside.resolve()), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    file = beside / "activities.py"
    with redirect_stdout(sys.stderr):  # what a module prints is not our answer
        if modules:
            return load_activities(*modules)
        return load_activities(file) if file.is_file() else None


def report(checked: Iterable[Checked], format: Format = "full", look: Look = PLAIN) -> str:
    """Everything that was found in the files, as text."""
    files = list(checked)
    found = [each for file in files for each in file.diagnostics]
    return format_diagnostics(found, [file.source for file in files], format, look)


def refuse(checked: Sequence[Checked]) -> None:
    """Raises ``Stop`` with the diagnostics when a file has errors; warnings go to stderr."""
    found = any(file.diagnostics for file in checked)
    if found:
        sys.stderr.write(report(checked))
    if not all(file.ok for file in checked):
        names = ", ".join(file.source.name for file in checked if not file.ok)
        raise Stop(NO, "invalid_definition", f"{names} cannot be used", details=documents(checked))


def documents(checked: Iterable[Checked]) -> object:
    """The diagnostics for programs."""
    import json

    return json.loads(report(checked, "json"))["diagnostics"]


def no_workflow(file: str, documents: Sequence[Document], wanted: str = "no workflow") -> Stop:
    """The answer to a file that has nothing of what is wanted; one with only tests is told about them."""
    if documents and all(isinstance(each, Cases) for each in documents):
        hint = "tests are checked by 'perdure validate'; this release does not run them yet"
        return Stop(USAGE, "no_workflow", f"{file} holds only tests", hint=hint)
    return Stop(USAGE, "no_workflow", f"{file} holds {wanted}")


def main_workflow(checked: Checked, name: str | None) -> Built:
    """The workflow of a file that is meant: the named one, or the only one that no other there calls.

    Raises ``Stop`` when that is none, or could be several.
    """
    if not checked.workflows:
        raise no_workflow(checked.source.name, checked.documents)
    names = [each.workflow.name for each in checked.workflows]
    called = {
        op.workflow for each in checked.workflows for op in each.program.code if isinstance(op, _STARTS)
    }
    wanted = [name] if name is not None else [each for each in names if each not in called] or names
    found = [each for each in checked.workflows if each.workflow.name in wanted]
    if len(found) == 1:
        return found[0]
    if name is not None:
        message = f"{checked.source.name} holds no workflow {name!r}"
        raise Stop(USAGE, "not_found", message, hint=f"it holds {', '.join(names)}")
    raise Stop(
        USAGE,
        "several_workflows",
        f"{checked.source.name} holds several workflows: {', '.join(names)}",
        hint="say which one with --workflow NAME",
    )
