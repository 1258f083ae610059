"""What requests carry, as types: they are read by them, and the OpenAPI document is written from them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct

_UNITS = "d h m s ms".split()
_AFTER = ["".join(f"(?:[0-9]{{1,6}}{unit})?" for unit in _UNITS[at + 1 :]) for at in range(len(_UNITS))]
DURATION_PATTERN = "^(?:{}|{})$".format(
    "|".join(f"[0-9]{{1,6}}{unit}{after}" for unit, after in zip(_UNITS, _AFTER, strict=True)),
    r"[0-9]{1,6}\.[0-9]{1,3}[smhd]|P[0-9]{1,6}D|PT[0-9]{1,6}[HMS]",
)
"""How durations look; ``perdure.dsl.duration`` reads a few more spellings."""

Duration = Annotated[
    str,
    Meta(
        description="A duration as workflows write it: `30s`, `1h30m`, `3d`.",
        extra_json_schema={"pattern": DURATION_PATTERN},
    ),
]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
NewId = Annotated[
    str,
    Meta(
        description="Up to 256 characters without `/`, `\\`, `#`, `?` and controls, and no `@` first.",
        extra_json_schema={
            "minLength": 1,
            "maxLength": 256,
            "pattern": r"^[^/\\#?@\x00-\x1f\x7f][^/\\#?\x00-\x1f\x7f]*$",
        },
    ),
]
Reason = Annotated[str, Meta(description="Kept in the audit.")]


class InitialEvent(Struct, forbid_unknown_fields=True):
    """An event that is delivered together with a start."""

    name: str
    payload: Any = None


class Start(Struct, forbid_unknown_fields=True):
    """A start of an instance."""

    workflow: Annotated[str, Meta(description="`NAME` for the active version, or `NAME@VERSION`.")]
    input: Any = None
    id: NewId | None = None
    tags: dict[str, str] = {}
    if_exists: Annotated[
        str,
        Meta(
            description="What becomes of an id in use: it is refused (409), what is there is the answer, "
            "or what has ended there is purged.",
            extra_json_schema={"enum": ["reject", "reuse", "replace_ended"]},
        ),
    ] = "reject"
    start_at: Time | None = None
    delay: Duration | None = None
    event: InitialEvent | None = None


class Why(Struct, forbid_unknown_fields=True):
    """Why an operator does something."""

    reason: Reason | None = None


class Nothing(Struct, forbid_unknown_fields=True):
    """A body that says nothing more."""


class Restart(Struct, forbid_unknown_fields=True):
    """How to do it all again."""

    input: Annotated[Any, Meta(description="Instead of the input that it was started with.")] = UNSET
    version: str | None = None
    id: Annotated[NewId | None, Meta(description="Of a new instance that does it.")] = None
    new_id: Annotated[bool, Meta(description="Let a new instance with an id of the server's do it.")] = False
    terminate: Annotated[bool, Meta(description="End first what runs.")] = False
    reason: Reason | None = None


class Fork(Struct, forbid_unknown_fields=True):
    """Where to fork."""

    step: Annotated[str, Meta(description="The name or the path of a step.")]
    id: NewId | None = None
    version: str | None = None
    reason: Reason | None = None


class Migrate(Struct, forbid_unknown_fields=True):
    """With what to go on."""

    version: str
    reason: Reason | None = None


class Resolve(Struct, forbid_unknown_fields=True):
    """How a step ended: either with an output, or with an error."""

    output: Any = UNSET
    error: (
        Annotated[
            dict[str, Any],
            Meta(
                description="As a workflow catches it.",
                extra_json_schema={
                    "properties": {
                        "type": {"type": "string", "minLength": 1},
                        "message": {"type": "string"},
                        "data": {},
                    },
                    "required": ["type"],
                },
            ),
        ]
        | None
    ) = None
    reason: Reason | None = None


class File(Struct, forbid_unknown_fields=True):
    """A file of workflows and entities."""

    source: str


class Failure(Struct, forbid_unknown_fields=True):
    """How an activity failed."""

    error: Annotated[str, Meta(description="The name of the error.", extra_json_schema={"minLength": 1})]
    message: str = ""
    data: Any = None
    retryable: bool = True


class Times(Struct, forbid_unknown_fields=True):
    """From when to when."""

    begin: Time
    end: Time


class Rate(Struct, forbid_unknown_fields=True):
    """How fast a queue is handed out."""

    rate: Annotated[str | None, Meta(description="`10/s`, `100/m`, `5/10s`; null for as fast as can be.")]


class NewKey(Struct, forbid_unknown_fields=True):
    """A key to be made."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}$"})]
    role: Annotated[str, Meta(extra_json_schema={"enum": ["viewer", "operator", "admin"]})] = "viewer"
    expires: Duration | None = None
