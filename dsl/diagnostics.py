"""What is wrong with a document, as data: one ``Diagnostic`` for one mistake, and the table of codes.

A code is for ever: its number never gets another meaning. Families: PD1xx YAML, PD2xx structure and
scope, PD3xx expressions and types, PD4xx bounds, PD5xx entities and locks, PD6xx versions, PD7xx
activities, PD8xx style (warnings), PD9xx the tool itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from perdure.dsl.source import Span

LIMIT = 100
"""Most errors that are kept of one file, and most warnings."""

CODES = MappingProxyType(
    {
        "PD100": "the file is not UTF-8 text",
        "PD101": "the YAML cannot be read",
        "PD102": "YAML read ': ' inside an unquoted expression as a mapping",
        "PD103": "YAML cut an unquoted expression at a comment",
        "PD104": "an unquoted expression inside [ ] or { }",
        "PD105": "a tab where YAML wants spaces",
        "PD106": "a key stands twice in one mapping",
        "PD107": "YAML tags are not supported",
        "PD108": "YAML merge keys are not supported",
        "PD109": "the file is too large",
        "PD110": "the document is nested too deeply",
        "PD111": "the document has too many nodes",
        "PD112": "a text is too long",
        "PD113": "aliases make the document too large",
        "PD114": "an alias stands inside what it names",
        "PD115": "an alias without an anchor",
        "PD116": "a number out of range",
        "PD117": "a number that JSON does not have",
        "PD118": "a character that documents may not hold",
        "PD119": "a key that is not text",
        "PD120": "the file holds no document",
        "PD121": "a YAML directive that is not supported",
        "PD201": "an unknown key",
        "PD202": "a required key is missing",
        "PD203": "a value of the wrong type",
        "PD204": "a value that is not one of the allowed ones",
        "PD205": "a step without a kind",
        "PD206": "a step with two kinds",
        "PD207": "text of the wrong form",
        "PD208": "a reserved word as a name",
        "PD209": "an item of a block that is neither a statement nor one named step",
        "PD210": "'set' where branches run side by side",
        "PD211": "a name that hides another",
        "PD212": "a name that stands twice",
        "PD213": "'return' where it is not allowed",
        "PD214": "'break' or 'continue' without a loop that it may leave",
        "PD215": "'continue_as_new' where it is not allowed",
        "PD216": "a step that is never reached",
        "PD217": "'output' that is not last in its block",
        "PD218": "'set' of a variable that is not declared",
        "PD219": "an unknown retry policy",
        "PD220": "reading a step that has no value",
        "PD221": "reading what a fan_out does not keep",
        "PD222": "an invalid JSON Schema",
        "PD223": "a workflow that can end without its output",
        "PD224": "a default that its schema does not allow",
        "PD225": "'compensate' outside of a saga",
        "PD226": "an error that perdure does not have",
        "PD227": "a cron expression that cannot be read",
        "PD228": "a schedule that never fires",
        "PD229": "an unknown time zone",
        "PD230": "items of a fan_out with the same key",
        "PD231": "a function that cannot be used like this",
        "PD232": "a function that calls itself",
        "PD233": "'checkpoint_every' on a loop that cannot have it",
        "PD234": "a name that a checkpoint does not carry",
        "PD235": "'correlate' without an equality that finds the event",
        "PD236": "a schema file that cannot be put in",
        "PD237": "a test that contradicts itself",
        "PD300": "an expression that cannot be read",
        "PD301": "a name that is not defined here",
        "PD302": "a field that does not exist",
        "PD303": "an unknown function",
        "PD304": "a wrong number of arguments",
        "PD305": "types that do not fit",
        "PD306": "a constant that cannot be converted",
        "PD307": "an invalid regular expression",
        "PD308": "an expression beyond a limit",
        "PD309": "a function where it is not allowed",
        "PD310": "an expression where a constant is needed",
        "PD311": "a constant where an expression is needed",
        "PD312": "a key that stands twice in a map expression",
        "PD313": "a secret where it cannot be put in",
        "PD401": "wait_for_event without timeout",
        "PD402": "a duration that cannot be read",
        "PD403": "a duration without a unit",
        "PD404": "a loop without limit",
        "PD405": "a count out of range",
        "PD406": "'never' where a duration is needed",
        "PD407": "bounds that contradict each other",
        "PD408": "functions that come to too many steps",
        "PD501": "an operation that the entity does not have",
        "PD502": "arguments that an operation does not take",
        "PD503": "a readonly operation that changes something",
        "PD504": "a key that the entity's state does not have",
        "PD505": "an entity that is not written Type@key",
        "PD510": "a lock inside a lock",
        "PD511": "an entity that is not locked",
        "PD512": "a child instance under a lock",
        "PD513": "calls of one locked entity side by side",
        "PD601": "a version range that cannot be read",
        "PD701": "an unknown activity",
        "PD702": "arguments that an activity does not take",
        "PD703": "a function that is named like an activity",
        "PD704": "an argument of a type that the activity does not take",
        "PD801": "text or a number that looks like something else",
        "PD802": "an event that is not declared",
        "PD803": "an expression that may not do what it seems to",
        "PD804": "a condition that is always the same",
        "PD805": "a retry that never happens",
        "PD806": "a declaration that is never used",
        "PD807": "a name of an error that may be misspelt",
        "PD808": "an event that several branches wait for",
        "PD809": "something that never takes effect",
        "PD810": "a part of an expression that fails whenever it is evaluated",
        "PD811": "a field that may be missing",
        "PD812": "a value of unknown type at a call",
        "PD813": "a step that may take for ever",
        "PD814": "a definition that another file has differently",
        "PD815": "a version range that the workflow at hand does not fit",
        "PD816": "a test that does not fit its workflow",
        "PD817": "a JSON Schema that hardly says what is meant",
        "PD818": "a map for an activity that takes one value",
        "PD900": "more diagnostics than are kept",
        "PD901": "an ignore that is not needed",
        "PD902": "a code that cannot be ignored",
        "PD903": "an ignore that cannot be read",
    }
)
"""One line for every kind of mistake."""


IGNORABLE = MappingProxyType(
    {
        "PD401": "the step then waits for ever, as with 'timeout: never'",
        "PD701": "who runs the workflow may register the activity elsewhere",
        "PD702": "who runs the workflow may register another activity under the name",
        "PD704": "who runs the workflow may register another activity under the name",
    }
)
"""The errors that a comment may ignore, and why the workflow can run all the same. Of warnings it may all."""

STRICT = frozenset({"PD812", "PD813"})
"""Codes that only ``--strict`` looks for."""

NOT_ALWAYS = STRICT | {"PD501", "PD701", "PD702", "PD703", "PD704", "PD814", "PD815", "PD816", "PD818"}
"""Codes of checks that do not run each time, so that an ignore may look unneeded and be needed."""


class Severity(StrEnum):
    """How bad it is: an error refuses the document, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another place that explains the mistake, such as where a name was first used.

    ``file`` is empty for the file that the diagnostic is about.
    """

    span: Span
    message: str
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One mistake: what and where, in ``hint`` what to do.

    ``kind`` is a finer name for expressions (``cel.no_such_field``), empty elsewhere.
    """

    code: str
    message: str
    span: Span
    severity: Severity = Severity.ERROR
    file: str = ""
    hint: str | None = None
    related: tuple[Related, ...] = ()
    kind: str = ""

    @property
    def title(self) -> str:
        """The one line about this kind of mistake."""
        return CODES[self.code]


_WARNINGS = ("PD8", "PD901", "PD903")


def severity_of(code: str) -> Severity:
    """Warnings are the family PD8xx and remarks on comments; everything else refuses the document."""
    return Severity.WARNING if code.startswith(_WARNINGS) else Severity.ERROR


@dataclass(frozen=True, slots=True)
class Ignores:
    """The codes that a file's comments accept, line by line, and which of them were of use."""

    _spans: dict[tuple[str, int], Span] = field(default_factory=dict)
    _used: set[tuple[str, int]] = field(default_factory=set)

    def accept(self, code: str, line: int, span: Span) -> None:
        """Takes note that a comment accepts a code on a line."""
        self._spans.setdefault((code, line), span)

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic is accepted; if so, the comment was of use."""
        place = (diagnostic.code, diagnostic.span.start.line)
        if place in self._spans:
            self._used.add(place)
        return place in self._spans

    def kept(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics that are not accepted."""
        return tuple(each for each in diagnostics if not self.covers(each))

    def unused(self) -> Iterator[tuple[str, Span]]:
        """The codes that were accepted in vain, with their places in the comments."""
        for place, span in self._spans.items():
            if place not in self._used and place[0] not in NOT_ALWAYS:
                yield place[0], span


@dataclass(slots=True)
class Collector:
    """Gathers the diagnostics of one file: each once, of errors and of warnings at most ``LIMIT``."""

    file: str
    ignores: Ignores = field(default_factory=Ignores)
    _found: dict[Diagnostic, None] = field(default_factory=dict)
    _errors: int = 0
    _kept: Counter[Severity] = field(default_factory=Counter)
    _left_out: set[Severity] = field(default_factory=set)
    """Of what there was more than is kept."""

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        related: Iterable[Related] = (),
        kind: str = "",
    ) -> None:
        """Notes a mistake, unless a comment of the file accepts it; its severity follows from the code."""
        severity = severity_of(code)
        diagnostic = Diagnostic(
            code=code,
            message=message,
            span=span,
            severity=severity,
            file=self.file,
            hint=hint,
            related=tuple(related),
            kind=kind,
        )
        if self.ignores.covers(diagnostic):
            return
        is_error = severity is Severity.ERROR
        self._errors += is_error
        if self._kept[severity] < LIMIT or diagnostic in self._found:
            self._kept[severity] += diagnostic not in self._found
            self._found[diagnostic] = None
        else:
            self._left_out.add(severity)

    def accept(self) -> None:
        """Forgets what was noted before the comments of the file were known, and is accepted by them."""
        self._found = dict.fromkeys(self.ignores.kept(self._found))
        self._kept = Counter(each.severity for each in self._found)

    @property
    def errors(self) -> int:
        """How many errors were noted, those beyond the limit too."""
        return self._errors

    @property
    def full(self) -> bool:
        """Whether no more errors are kept, so that looking further is in vain."""
        return Severity.ERROR in self._left_out

    def leaves_out(self, code: str) -> bool:
        """Whether there were so many of this code's severity that no more are kept."""
        return severity_of(code) in self._left_out

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics())

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything noted, in the order of the file, and how much was left out."""
        found = sorted(self._found, key=lambda each: (each.span, each.code))
        if not self._left_out:
            return tuple(found)
        severity = Severity.ERROR if self.full else Severity.WARNING
        message = f"only the first {LIMIT} {severity}s are shown"
        more = Diagnostic(
            code="PD900", message=message, span=found[-1].span, severity=severity, file=self.file
        )
        return (*found, more)


def quote(text: str, most: int = 60) -> str:
    """Text of the author's, in quotes, short and without control characters."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return "'" + "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown) + "'"


def one_of(words: Iterable[str]) -> str:
    """Words as an enumeration: ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
