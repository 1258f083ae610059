"""Names that are derived, so that a replay and a redelivery find the same ones again."""

from __future__ import annotations

import hashlib
import re

MAX_ROW_KEY = 200
"""Characters of a key as it stands in a row; of a longer one it is the hash."""

MAX_CHILD_ID = 200
"""Characters: such an id has room for those of its own children's steps."""

_UNFIT = re.compile(r"[/\\#?\x00-\x1f\x7f\ud800-\udfff]")
_ESCAPES = str.maketrans({"%": "%25", "/": "%2F", "[": "%5B", "]": "%5D"})


def idempotency_key(seed: str, path: str) -> str:
    """The default key of a call: the same for every attempt, delivery and rewind of the step."""
    return hashlib.sha256(f"{seed}\n{path}".encode()).hexdigest()[:32]


def path_segment(key: str) -> str:
    """An item key as it stands between brackets in a path: no two keys look the same there."""
    return key.translate(_ESCAPES)


def row_key(key: str) -> str:
    """A key that a workflow has computed, as rows have it: an index of every database holds it."""
    if len(key) <= MAX_ROW_KEY and "\0" not in key:
        return key
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def next_execution(execution: str) -> str:
    """The execution id of the generation that follows this one."""
    return hashlib.sha256(f"{execution}\nnext".encode()).hexdigest()[:32]


def uuid5(seed: str, path: str, label: str) -> str:
    """UUID version 5 (RFC 9562, SHA-1) of the three, whatever the order of evaluation."""
    digest = bytearray(hashlib.sha1(f"{seed}\n{path}\n{label}".encode()).digest()[:16])  # noqa: S324
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fraction(seed: str, path: str, attempt: int) -> float:
    """A number from 0 up to 1 that looks random: the jitter of one retry."""
    digest = hashlib.sha256(f"{seed}\n{path}\n{attempt}\njitter".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def child_execution(execution: str, seq: int) -> str:
    """The execution id of what the decision ``seq`` of an execution has started."""
    return hashlib.sha256(f"{execution}\n{seq}\nchild".encode()).hexdigest()[:32]


def incarnation(message: str) -> str:
    """What an entity is called that came to be when it heard of a message."""
    return hashlib.sha256(f"{message}\nentity".encode()).hexdigest()[:32]


def child_id(instance: str, generation: int, path: str, attempt: int) -> str:
    """The id of a child that its author has not named: its parent's, and the step that asks for it.

    No longer than an id may be: what is too long ends with a hash of all of it.
    """
    parts = [instance, path.replace("/", ".")]
    if generation > 1:
        parts.insert(1, str(generation))
    if attempt > 1:
        parts.append(str(attempt))
    whole = ":".join(_UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", part) for part in parts)
    if len(whole) <= MAX_CHILD_ID:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{whole[: MAX_CHILD_ID - 33]}~{digest}"


def scheduled_execution(message: str, now: int) -> str:
    """The execution id of what a schedule's message starts; ``now`` is when that was decided."""
    return hashlib.sha256(f"{message}\n{now}\nscheduled".encode()).hexdigest()[:32]
