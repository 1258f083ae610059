"""Names that are derived, so that a replay and a redelivery find the same ones again."""

from __future__ import annotations

import hashlib

_ESCAPES = str.maketrans({"%": "%25", "/": "%2F", "[": "%5B", "]": "%5D"})


def idempotency_key(seed: str, path: str) -> str:
    """The default key of a call: the same for every attempt, delivery and rewind of the step."""
    return hashlib.sha256(f"{seed}\n{path}".encode()).hexdigest()[:32]


def path_segment(key: str) -> str:
    """An item key as it stands between brackets in a path: no two keys look the same there."""
    return key.translate(_ESCAPES)


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
